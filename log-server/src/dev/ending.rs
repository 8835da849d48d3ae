//! Why a development log ends before it is told to: the first reason counts, and nothing that happens while it leaves.
//!
//! Not here: whoever notices.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::DevError;

/// Tells the server to leave.
pub(super) struct Ending(Mutex<State>);

struct State {
    tell: Option<oneshot::Sender<String>>,
    why: Option<DevError>,
    leaving: bool,
}

impl Ending {
    /// The one who tells and the one who is told.
    pub(super) fn new() -> (Arc<Ending>, oneshot::Receiver<String>) {
        let (tell, told) = oneshot::channel();
        (Arc::new(Ending(Mutex::new(State { tell: Some(tell), why: None, leaving: false }))), told)
    }

    /// Something ended that must not.
    pub(super) fn because(&self, why: DevError) {
        let mut state = self.state();
        let Some(tell) = state.tell.take().filter(|_| !state.leaving) else { return };
        // Nobody listens when the server has ended: then its own error is said.
        let _ = tell.send(why.to_string());
        state.why = Some(why);
    }

    /// From here on nothing counts; what counted before.
    pub(super) fn leave(&self) -> Option<DevError> {
        let mut state = self.state();
        state.leaving = true;
        state.why.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
