//! Threads for work that takes long and needs much memory: as many as are wanted, a short queue
//! before them, and a plain "no" beyond it.
//!
//! A thread keeps its memory while there is work to be done and gives it back when there was none
//! for a moment: a busy morning does not fetch it anew for each piece, a quiet night holds none.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long memory is kept without work.
const KEPT: Duration = Duration::from_millis(300);

/// How much these threads give way to those that answer (nice(2)): when all cores are busy, a
/// search is answered before a hash goes on.
const NICE: i32 = 5;

/// A piece of work on a thread's memory.
pub(crate) type Job<M> = Box<dyn FnOnce(&mut M) + Send>;

/// Threads with memory `M` each. They end when this is dropped.
pub(crate) struct Workers<M> {
    queue: Arc<Queue<M>>,
    most: usize,
}

/// Why a job is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

struct Queue<M> {
    state: Mutex<State<M>>,
    filled: Condvar,
}

struct State<M> {
    jobs: VecDeque<Job<M>>,
    is_over: bool,
}

enum Next<M> {
    Job(Job<M>),
    Quiet,
    Over,
}

impl<M: Default + 'static> Workers<M> {
    /// Starts `threads` threads called `name`, before which `most` jobs may wait.
    pub(crate) fn start(name: &str, threads: usize, most: usize) -> io::Result<Self> {
        let state = Mutex::new(State { jobs: VecDeque::with_capacity(most), is_over: false });
        let queue = Arc::new(Queue { state, filled: Condvar::new() });
        let workers = Self { queue: Arc::clone(&queue), most };
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || work(&queue))?;
        }
        Ok(workers)
    }
}

impl<M> Workers<M> {
    /// Puts `job` into the queue.
    pub(crate) fn submit(&self, job: Job<M>) -> Result<(), Full> {
        let mut state = self.queue.lock();
        if state.jobs.len() >= self.most {
            return Err(Full);
        }
        state.jobs.push_back(job);
        drop(state);
        self.queue.filled.notify_one();
        Ok(())
    }
}

impl<M> Drop for Workers<M> {
    fn drop(&mut self) {
        self.queue.lock().is_over = true;
        self.queue.filled.notify_all();
    }
}

impl<M> Queue<M> {
    /// Nothing that can panic is done while it is held.
    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job; no longer than a moment when the thread has something to give back.
    fn next(&self, has_memory: bool) -> Next<M> {
        let is_idle = |state: &mut State<M>| state.jobs.is_empty() && !state.is_over;
        let state = self.lock();
        let mut state = if has_memory {
            let waited = self.filled.wait_timeout_while(state, KEPT, is_idle);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            self.filled.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner)
        };
        match state.jobs.pop_front() {
            Some(job) => Next::Job(job),
            None if state.is_over => Next::Over,
            None => Next::Quiet,
        }
    }
}

fn work<M: Default>(queue: &Queue<M>) {
    // On Linux this is about the thread that asks. Where it is not allowed the work is done all the
    // same, and only those who search notice.
    let _ = rustix::process::nice(NICE);
    let mut memory = None;
    loop {
        match queue.next(memory.is_some()) {
            Next::Job(job) => {
                let on = memory.get_or_insert_default();
                // Whoever waits for it hears that it was given up; the thread and others go on.
                if catch_unwind(AssertUnwindSafe(|| job(on))).is_err() {
                    memory = None;
                }
            }
            Next::Quiet => memory = None,
            Next::Over => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{channel, sync_channel};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "waits for a thread to be quiet")]
    fn memory_is_kept_for_the_next_job_and_given_back_in_quiet() {
        let workers = Workers::<Vec<u8>>::start("test", 1, 4).unwrap();
        let (tell, told) = channel();
        let grow = || {
            let tell = tell.clone();
            let job: Job<Vec<u8>> = Box::new(move |memory: &mut Vec<u8>| {
                memory.push(0);
                tell.send(memory.len()).unwrap();
            });
            workers.submit(job).unwrap();
            told.recv().unwrap()
        };
        assert_eq!((grow(), grow()), (1, 2));
        thread::sleep(KEPT * 3);
        assert_eq!(grow(), 1);
    }

    #[test]
    fn a_job_that_panics_takes_nobody_along() {
        let workers = Workers::<u8>::start("test", 1, 4).unwrap();
        let (tell, told) = channel();
        workers.submit(Box::new(|_| panic!("on purpose"))).unwrap();
        workers.submit(Box::new(move |_| tell.send(()).unwrap())).unwrap();
        told.recv().unwrap();
    }

    #[test]
    fn a_full_queue_says_so_and_what_was_taken_is_done() {
        let workers = Workers::<()>::start("test", 1, 2).unwrap();
        let (begin, begun) = sync_channel(0);
        let (tell, told) = channel();
        workers.submit(Box::new(move |()| begin.send(()).unwrap())).unwrap();
        // The thread is busy until somebody listens; two more may wait.
        let mut taken = 0;
        while workers
            .submit(Box::new({
                let tell = tell.clone();
                move |()| tell.send(()).unwrap()
            }))
            .is_ok()
        {
            taken += 1;
        }
        assert!((1..=2).contains(&taken), "{taken}");
        begun.recv().unwrap();
        drop(workers);
        drop(tell);
        assert_eq!(told.iter().count(), taken);
    }
}
