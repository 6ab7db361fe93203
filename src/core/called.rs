//! What a checkpoint's name says of it in words: that it is the best one, or the last.
//!
//! No training calls one so by chance, and what is called so is often the only copy. So the words
//! count wherever they stand: `model_best`, `checkpoint-best`, `val_acc_best`, `model-best-epoch=30`.

use super::model::Marks;

/// The mark that goes with what a checkpoint or pointer is called: the first such word, or how the last
/// component of the path begins, also in one word with what follows (`bestmodel`). For what is protected
/// by it; what is a copy of another is [`in_words`] alone, for `lastfm` is no word.
pub fn mark(name: &[u8]) -> Option<Marks> {
    in_words(name).or_else(|| of_its_start(name))
}

/// The mark that goes with the first such word of a name or path.
///
/// Words end at `-`, `_`, `.`, spaces and slashes; a number behind one (`best2`) is no part of it.
pub fn in_words(name: &[u8]) -> Option<Marks> {
    let mut words = name.split(|b| matches!(b, b'-' | b'_' | b'.' | b' ' | b'/'));
    words.find_map(|word| {
        let digits = word.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let is = |text: &[u8]| word[..word.len() - digits].eq_ignore_ascii_case(text);
        match word.len() - digits {
            4 if is(b"best") => Some(Marks::BEST),
            4 if is(b"last") => Some(Marks::LATEST),
            6 if is(b"latest") => Some(Marks::LATEST),
            _ => None,
        }
    })
}

fn of_its_start(name: &[u8]) -> Option<Marks> {
    let name = name.rsplit(|b| *b == b'/').next()?;
    let starts =
        |word: &[u8]| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    // What begins with `latest` is called the last one, by either.
    let mut known =
        [(&b"best"[..], Marks::BEST), (b"last", Marks::LATEST), (b"latest", Marks::LATEST)]
            .into_iter();
    known.find(|(word, _)| starts(word)).map(|(_, mark)| mark)
}

/// Whether it is called the best or the last.
pub fn last_or_best(id: &[u8]) -> bool {
    mark(id).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_beginnings() {
        let (best, last) = (Some(Marks::BEST), Some(Marks::LATEST));
        let table = [
            ("model_best.ckpt", best, true),
            ("checkpoint-best.ckpt", best, true),
            ("val_acc_best.ckpt", best, true),
            ("model-best-epoch=30.ckpt", best, true),
            ("model_best2.ckpt", best, true),
            ("Model BEST", best, true),
            ("best-epoch=0-val/loss=0.5.ckpt", best, true),
            ("model_last", last, true),
            ("model-latest.ckpt", last, true),
            ("last_or_best", last, true),
            ("bestmodel", best, true),
            ("latestmodel.pt", last, true),
            ("lasting", last, true),
            ("val/lasting", last, true),
            ("bests/7", None, false),
            ("elastic-3", None, false),
            ("blast", None, false),
            ("model_bestial", None, false),
            ("best1b", best, true),
            ("2best", None, false),
            ("epoch=3-step=40.ckpt", None, false),
            ("las", None, false),
            ("", None, false),
        ];
        for (name, want, is_called) in table {
            let starts = ["bestmodel", "latestmodel.pt", "lasting", "val/lasting", "best1b"];
            let word = want.filter(|_| !starts.contains(&name));
            assert_eq!(in_words(name.as_bytes()), word, "{name}");
            assert_eq!(mark(name.as_bytes()), want, "{name}");
            assert_eq!(last_or_best(name.as_bytes()), is_called, "{name}");
        }
    }
}
