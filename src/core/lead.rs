//! Where a symlink leads, by its text and the texts of the links on its way.

/// More links than this in a row are a loop, as for the kernel.
const MAX_HOPS: usize = 40;

/// What a path can meet below a root. Paths are relative to it, without `.` and `..`.
pub trait Ground {
    /// What a path is looked for.
    type Goal;

    fn goal(&self, path: &[u8]) -> Option<Self::Goal>;

    /// The target of the symlink at a path.
    fn link(&self, path: &[u8]) -> Option<&[u8]>;

    /// Where the root lies.
    fn absolute(&self) -> Option<&[u8]>;
}

/// Walks `target` from the directory `from`, through links, until it is at or in a goal; `met` is
/// told of each link on the way.
///
/// # Errors
/// It comes to no goal: where it ends below the root, or `None` if it leaves it or is a loop.
pub fn walk<G: Ground>(
    ground: &G,
    from: &[u8],
    target: &[u8],
    mut met: impl FnMut(&[u8]),
) -> Result<G::Goal, Option<Vec<u8>>> {
    let mut at = from.to_vec();
    let mut todo = Vec::new();
    push(ground, target, &mut at, &mut todo).ok_or(None)?;
    let mut hops = 0;
    while let Some(component) = todo.pop() {
        match &component[..] {
            b"" | b"." => {}
            b".." if at.is_empty() => return Err(None),
            b".." => at.truncate(parent(&at).len()),
            name => {
                let next = join(&at, name);
                if let Some(goal) = ground.goal(&next) {
                    return Ok(goal);
                }
                match ground.link(&next) {
                    Some(target) => {
                        hops += 1;
                        if hops > MAX_HOPS {
                            return Err(None);
                        }
                        met(&next);
                        push(ground, target, &mut at, &mut todo).ok_or(None)?;
                    }
                    None => at = next,
                }
            }
        }
    }
    Err(Some(at))
}

/// Puts a target's components on the stack; `None` if it is absolute and outside the root.
fn push(
    ground: &impl Ground,
    target: &[u8],
    at: &mut Vec<u8>,
    todo: &mut Vec<Vec<u8>>,
) -> Option<()> {
    let mut rest = target;
    if target.starts_with(b"/") {
        let root = ground.absolute()?;
        rest = rest
            .strip_prefix(root)
            .filter(|r| r.is_empty() || r.starts_with(b"/") || root.ends_with(b"/"))?;
        at.clear();
    }
    todo.extend(rest.rsplit(|b| *b == b'/').map(<[u8]>::to_vec));
    Some(())
}

/// Everything before the last `/`; empty at the root.
pub fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|b| *b == b'/').map_or(b"", |i| &path[..i])
}

/// `path/name`; the name alone at the root.
pub fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    struct Plain(HashMap<&'static [u8], &'static [u8]>);

    impl Ground for Plain {
        type Goal = Vec<u8>;
        fn goal(&self, path: &[u8]) -> Option<Vec<u8>> {
            path.ends_with(b"ckpt").then(|| path.to_vec())
        }
        fn link(&self, path: &[u8]) -> Option<&[u8]> {
            self.0.get(path).copied()
        }
        fn absolute(&self) -> Option<&[u8]> {
            Some(b"/data/runs")
        }
    }

    /// Where a text leads, or how it ends elsewhere.
    type End = Result<&'static [u8], Option<&'static [u8]>>;

    #[test]
    fn a_text_is_walked_as_the_kernel_walks_it() {
        let links: [(&[u8], &[u8]); 4] =
            [(b"cur", b"a/s"), (b"here", b"."), (b"x/loop", b"loop"), (b"abs", b"/data/runs/a/")];
        let ground = Plain(links.into());
        let table: [(&[u8], &[u8], End, usize); 12] = [
            (b"a/s", b"ckpt", Ok(b"a/s/ckpt"), 0),
            (b"a/s", b"./ckpt/model.bin", Ok(b"a/s/ckpt"), 0),
            (b"a/b", b"../s/ckpt", Ok(b"a/s/ckpt"), 0),
            (b"", b"cur/ckpt", Ok(b"a/s/ckpt"), 1),
            (b"", b"here/here/cur/ckpt", Ok(b"a/s/ckpt"), 3),
            (b"", b"/data/runs/a/s/ckpt", Ok(b"a/s/ckpt"), 0),
            (b"", b"abs/s/ckpt", Ok(b"a/s/ckpt"), 1),
            (b"", b"/data/runsa/s/ckpt", Err(None), 0),
            (b"", b"/elsewhere/ckpt", Err(None), 0),
            (b"a", b"../../ckpt", Err(None), 0),
            (b"x", b"loop", Err(None), MAX_HOPS),
            (b"a", b"s/other", Err(Some(b"a/s/other")), 0),
        ];
        for (from, target, want, links) in table {
            let mut met = 0;
            let got = walk(&ground, from, target, |_| met += 1);
            let want = want.map(<[u8]>::to_vec).map_err(|e| e.map(<[u8]>::to_vec));
            assert_eq!((got, met), (want, links), "{}", String::from_utf8_lossy(target));
        }
    }
}
