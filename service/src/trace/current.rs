//! The request that the work of this moment is for.

use super::Trace;
use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

thread_local! {
    static CURRENT: RefCell<Current> = const { RefCell::new(Current::none()) };
}

/// What follows the work of a request wherever it goes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Current {
    pub(super) request_id: Option<Arc<str>>,
    pub(super) trace: Trace,
}

impl Current {
    const fn none() -> Self {
        Self { request_id: None, trace: Trace(None) }
    }

    pub fn new(request_id: Option<Arc<str>>, trace: Trace) -> Self {
        Self { request_id, trace }
    }

    /// The same request, traced.
    #[must_use]
    pub fn traced(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    /// That of the work that runs now.
    pub fn get() -> Self {
        Self::with(Clone::clone)
    }

    pub(super) fn with<T>(look: impl FnOnce(&Self) -> T) -> T {
        CURRENT.with_borrow(look)
    }

    /// What runs on this thread until the guard is dropped is for this request.
    pub fn enter(self) -> Entered {
        Entered { before: CURRENT.replace(self) }
    }

    /// Runs a future for this request, in whatever task.
    pub fn carry<F: Future>(self, future: F) -> Carried<F> {
        Carried { future, current: self }
    }
}

/// While it lives, the thread works for another request.
#[derive(Debug)]
pub struct Entered {
    before: Current,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(std::mem::replace(&mut self.before, Current::none()));
    }
}

pin_project! {
    /// A future that runs for a request.
    #[derive(Debug)]
    pub struct Carried<F> {
        #[pin]
        future: F,
        current: Current,
    }
}

impl<F: Future> Future for Carried<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.current.clone().enter();
        this.future.poll(context)
    }
}
