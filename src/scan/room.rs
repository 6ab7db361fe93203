//! Memory for what a thread finds, asked of the system in pieces that are worth a call.
//!
//! The C library's allocator enlarges a thread's part of memory by no more than what the piece that
//! was asked for needs, a page or two: a call (`mprotect`) for every few checkpoints, for which all
//! threads of the process wait that meet a new page meanwhile. Up to 128 KiB it keeps what it once has.

use std::cell::Cell;
use std::hint::black_box;

/// Just below what the allocator treats as large, and gives back with more work.
const PIECE: usize = 60 << 10;
/// What a checkpoint takes, about, with its part of the session and of the account of what was seen.
const CHECKPOINT: usize = 600;

thread_local! {
    /// What was taken of the last piece.
    static TAKEN: Cell<usize> = const { Cell::new(PIECE) };
}

/// Makes room for more once so many checkpoints were found that a piece is used up.
pub fn after(checkpoints: usize) {
    let taken = TAKEN.get().saturating_add(checkpoints.saturating_mul(CHECKPOINT));
    if taken < PIECE {
        return TAKEN.set(taken);
    }
    TAKEN.set(0);
    drop(black_box(Vec::<u8>::with_capacity(PIECE)));
}
