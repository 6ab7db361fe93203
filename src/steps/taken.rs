//! What a person's text stands for among what a run moved: a name exactly, or as it is printed.

use crate::apply::RunSummary;
use crate::report::sanitize;

/// A session of the run; the text itself if it has none of that name.
pub fn session<'a>(run: &'a RunSummary, typed: &'a str) -> &'a str {
    let names = run.items.iter().map(|i| &*i.session);
    meant(names, typed)
}

/// A checkpoint of the run, of this session if one is given; as [`session`].
pub fn checkpoint<'a>(run: &'a RunSummary, session: Option<&str>, typed: &'a str) -> &'a str {
    let of = run.items.iter().filter(|i| session.is_none_or(|s| s == i.session));
    meant(of.map(|i| &*i.id), typed)
}

fn meant<'a>(names: impl Iterator<Item = &'a str> + Clone, typed: &'a str) -> &'a str {
    let mut printed = names.clone().filter(|name| sanitize::terminal(name) == typed);
    if names.clone().any(|name| name == typed) {
        return typed;
    }
    printed.next().unwrap_or(typed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::RunItem;
    use crate::apply::journal::history::State;

    #[test]
    fn a_name_is_meant_exactly_before_it_is_meant_as_it_is_printed() {
        let item = |session: &str, id: &str| RunItem {
            session: session.to_owned(),
            id: id.to_owned(),
            bytes: 0,
            state: State::Moved,
            why: String::new(),
        };
        let items = vec![
            item("a\n", "3"),
            item("a\\n", "4"),
            item("b\u{3000}", "5\u{1b}"),
            item("c", "6\n"),
        ];
        let run = RunSummary { items, ..RunSummary::default() };
        assert_eq!(session(&run, "a\\n"), "a\\n");
        assert_eq!(session(&run, "a\n"), "a\n");
        assert_eq!(session(&run, "b\\u{3000}"), "b\u{3000}");
        assert_eq!(session(&run, "nothing"), "nothing");
        assert_eq!(checkpoint(&run, Some("b\u{3000}"), "5\\u{1b}"), "5\u{1b}");
        assert_eq!(checkpoint(&run, Some("b\u{3000}"), "6\\n"), "6\\n", "of another session");
        assert_eq!(checkpoint(&run, None, "6\\n"), "6\n");
    }
}
