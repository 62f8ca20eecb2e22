//! Work on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow};

/// Cores to work on.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does pieces of work 0 to `count` − 1 and returns what they gave, in that order.
pub(crate) fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let results: Mutex<Vec<Option<T>>> = Mutex::new((0..count).map(|_| None).collect());
    each_thread(count, |_, next| {
        while let Some(number) = next() {
            let result = work(number)?;
            results.lock().map_err(|_| anyhow!("another thread failed"))?[number] = Some(result);
        }
        Ok(())
    })?;
    let results = results.into_inner().map_err(|_| anyhow!("a thread failed"))?;
    results.into_iter().map(|result| result.ok_or_else(|| anyhow!("a thread failed"))).collect()
}

/// Runs a function on every core, with the thread's number; it takes pieces of work 0 to `count` − 1 as they come.
pub(crate) fn each_thread<T: Send>(
    count: usize,
    work: impl Fn(usize, &mut dyn FnMut() -> Option<usize>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (next, work) = (&next, &work);
        let run = move |thread: usize| {
            work(thread, &mut || {
                let number = next.fetch_add(1, Ordering::Relaxed);
                (number < count).then_some(number)
            })
        };
        let threads: Vec<_> = (0..cores()).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread failed"))?).collect()
    })
}
