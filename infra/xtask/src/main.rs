//! Build, run, test and measure the whole.
fn main() {}
