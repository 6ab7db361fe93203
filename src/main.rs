//! The program: everything is in the library, so that tests and other programs can use it too.

fn main() -> std::process::ExitCode {
    retain::cli::main()
}
