//! Names to search in: all of them as one text, so that one pass finds a part of any.

use memchr::memmem::Finder;

/// The names of all sessions in small letters, each with a NUL after it, which no name has.
#[derive(Debug, Default)]
pub struct Names {
    text: String,
    /// Where each begins.
    starts: Vec<u32>,
}

impl Names {
    pub fn push(&mut self, name: &str) {
        self.starts.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        self.text.push_str(&name.to_lowercase());
        self.text.push('\0');
    }

    /// Which of them have this in them, whatever its capitals.
    pub fn with(&self, part: &str) -> Vec<bool> {
        let part = part.to_lowercase();
        if part.is_empty() {
            return vec![true; self.starts.len()];
        }
        let mut found = vec![false; self.starts.len()];
        if part.contains('\0') {
            return found;
        }
        let finder = Finder::new(&part);
        let (mut name, mut from) = (0, 0);
        while let Some(at) = self.text.as_bytes().get(from..).and_then(|rest| finder.find(rest)) {
            let place = from + at;
            let end = |name: usize| self.starts.get(name + 1).map(|start| *start as usize);
            while end(name).is_some_and(|end| end <= place) {
                name += 1;
            }
            found[name] = true;
            // One hit is enough.
            let Some(next) = end(name) else { break };
            from = next;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_in_the_names_that_have_it_and_across_none() {
        let all = ["t/A/1", "t/b/12", "", "긴/이름", "t/a/1", "B"];
        let mut names = Names::default();
        for name in all {
            names.push(name);
        }
        for part in
            ["", "a", "A/1", "1", "12", "t/", "/", "이름", "B", "1t", "1\0t", "zz", "긴/이름긴"]
        {
            let wanted: Vec<bool> =
                all.iter().map(|n| n.to_lowercase().contains(&part.to_lowercase())).collect();
            assert_eq!(names.with(part), wanted, "{part:?}");
        }
        assert!(Names::default().with("a").is_empty());
    }
}
