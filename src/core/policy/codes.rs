//! The stable codes of policy faults. A code never changes its meaning and is never used again;
//! each has a section in `docs/errors.md`, whose examples a test loads.

use super::diagnostic::Severity;
use std::fmt;

/// A stable code such as `E0101-unknown-key`: `E` errors, `W` warnings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    pub fn as_str(self) -> &'static str {
        self.0
    }

    pub fn severity(self) -> Severity {
        if self.0.starts_with('W') { Severity::Warning } else { Severity::Error }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! codes {
    ($($name:ident = $id:literal;)+) => {
        $(pub const $name: Code = Code($id);)+
        /// All codes, in order.
        pub const ALL: &[Code] = &[$($name),+];
    };
}

codes! {
    SYNTAX = "E0001-syntax";
    DUPLICATE_KEY = "E0002-duplicate-key";
    VERSION = "E0003-version";
    NO_POLICY = "E0004-no-policy";
    UNKNOWN_KEY = "E0101-unknown-key";
    WRONG_TYPE = "E0102-wrong-type";
    MISSING_KEY = "E0103-missing-key";
    DUPLICATE_NAME = "E0104-duplicate-name";
    EMPTY = "E0105-empty";
    UNKNOWN_VALUE = "E0106-unknown-value";
    SET_TWICE = "E0107-set-twice";
    TOO_MANY = "E0108-too-many";
    COUNT = "E0201-count";
    DURATION = "E0202-duration";
    SIZE = "E0203-size";
    PERCENTAGE = "E0204-percentage";
    GLOB = "E0205-glob";
    TIME_ZONE = "E0206-time-zone";
    DATE = "E0207-date";
    STEP = "E0208-step";
    REGEX = "E0209-regex";
    NO_RULE = "E0301-no-rule";
    TWO_RULES = "E0302-two-rules";
    FOREIGN_OPTION = "E0303-foreign-option";
    DIRECTION = "E0304-direction";
    ACROSS = "E0305-across";
    RANK_IN_DISCARD = "E0306-rank-in-discard";
    CALENDAR_EVERY = "E0307-calendar-every";
    MIN_KEEP = "E0401-min-keep";
    SHADOWED = "E0402-shadowed-policy";
    QUOTA_CAP = "E0501-quota-cap";
    QUOTA_PER = "E0502-quota-per";
    QUOTA_LOW = "E0503-quota-low";
    TEST_ID = "E0601-test-id";
    TEST_EXPECTS = "E0602-test-expects";
    LAYOUT_NAME = "E0801-layout-name";
    LAYOUT_GROUP = "E0802-layout-group";
    LAYOUT_FILE = "E0803-layout-file";
    LAYOUT_METRICS = "E0804-layout-metrics";
    REDUNDANT_RULE = "W0701-redundant-rule";
    UNKNOWN_LAYOUT = "W0702-unknown-layout";
    EXPIRED = "W0703-expired-protection";
    PROTECTS_ALL = "W0704-protects-everything";
    NO_EFFECT = "W0705-no-effect";
    KEEPS_ALL = "W0706-policy-without-rules";
    LISTED_TWICE = "W0707-listed-twice";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_numbered_once() {
        let numbers: Vec<&str> = ALL.iter().map(|c| &c.as_str()[..5]).collect();
        assert!(numbers.windows(2).all(|w| w[0] < w[1]), "{numbers:?}");
    }

    /// Failed assertions name them as people look them up.
    #[test]
    fn a_code_is_written_the_same_for_people_and_for_debugging() {
        for code in ALL {
            assert_eq!((code.to_string(), format!("{code:?}")), (code.0.into(), code.0.into()));
        }
    }
}
