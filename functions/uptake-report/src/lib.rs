//! The uptake-report function.
