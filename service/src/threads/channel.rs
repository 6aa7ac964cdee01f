//! A queue to a thread.

use super::{are_simulated, simulated_delay};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::mpsc as simulated;

/// The end that many may have. The receiver hears when the last one is dropped.
#[derive(Debug)]
pub struct Sender<T>(SenderKind<T>);

#[derive(Debug)]
enum SenderKind<T> {
    Real(mpsc::Sender<T>),
    Simulated(simulated::UnboundedSender<T>),
}

/// The end of the one thread of [`super::start`] that does what comes.
#[derive(Debug)]
pub struct Receiver<T>(ReceiverKind<T>);

#[derive(Debug)]
enum ReceiverKind<T> {
    Real(mpsc::Receiver<T>),
    Simulated(simulated::UnboundedReceiver<T>),
}

/// Why nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// Not yet.
    Timeout,
    /// Nothing comes any more.
    Disconnected,
}

/// A queue without a bound of its own: its users bound what they send.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    if are_simulated() {
        let (sender, receiver) = simulated::unbounded_channel();
        return (Sender(SenderKind::Simulated(sender)), Receiver(ReceiverKind::Simulated(receiver)));
    }
    let (sender, receiver) = mpsc::channel();
    (Sender(SenderKind::Real(sender)), Receiver(ReceiverKind::Real(receiver)))
}

impl<T> Sender<T> {
    /// False: nobody receives any more.
    pub fn send(&self, message: T) -> bool {
        match &self.0 {
            SenderKind::Real(sender) => sender.send(message).is_ok(),
            SenderKind::Simulated(sender) => sender.send(message).is_ok(),
        }
    }
}

impl<T> Receiver<T> {
    /// The next one; `None`: nothing comes any more.
    pub async fn recv(&mut self) -> Option<T> {
        match &mut self.0 {
            ReceiverKind::Real(receiver) => receiver.recv().ok(),
            ReceiverKind::Simulated(receiver) => {
                let message = receiver.recv().await;
                simulated_delay().await;
                message
            }
        }
    }

    /// The next one, if it is there.
    pub fn try_recv(&mut self) -> Option<T> {
        match &mut self.0 {
            ReceiverKind::Real(receiver) => receiver.try_recv().ok(),
            ReceiverKind::Simulated(receiver) => receiver.try_recv().ok(),
        }
    }

    /// The next one, if it comes in the time.
    ///
    /// # Errors
    /// [`RecvError`].
    pub async fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvError> {
        match &mut self.0 {
            ReceiverKind::Real(receiver) => receiver.recv_timeout(timeout).map_err(|error| match error {
                mpsc::RecvTimeoutError::Timeout => RecvError::Timeout,
                mpsc::RecvTimeoutError::Disconnected => RecvError::Disconnected,
            }),
            ReceiverKind::Simulated(receiver) => match tokio::time::timeout(timeout, receiver.recv()).await {
                Ok(message) => {
                    simulated_delay().await;
                    message.ok_or(RecvError::Disconnected)
                }
                Err(_) => Err(RecvError::Timeout),
            },
        }
    }
}
