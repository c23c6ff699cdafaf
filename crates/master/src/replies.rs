//! Requests that wait for their answer: a [`ReplyToken`] each, and a bound on how many there may be.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use tanist_core::ids::ReplyToken;
use tanist_core::msg::ClientReply;

use crate::error::RequestError;

/// Most requests that wait at a time. Each is a few hundred bytes; more waiting ones mean that the store stands still.
pub(crate) const MAX_WAITING: usize = 16_384;

/// Where the answer to one request goes.
pub(crate) type Answer = oneshot::Sender<Result<ClientReply, RequestError>>;

/// The requests of the present term that have no answer yet.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    last: ReplyToken,
    waiting: BTreeMap<ReplyToken, Answer>,
}

impl Replies {
    /// Keeps the way back of a request. `None` = too many wait; the asker has been told so.
    pub(crate) fn wait(&mut self, answer: Answer) -> Option<ReplyToken> {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.retain(|_, answer| !answer.is_closed());
        }
        if self.waiting.len() >= MAX_WAITING {
            send(answer, Err(RequestError::TooManyWaiting { capacity: MAX_WAITING }));
            return None;
        }
        self.last = self.last.next();
        self.waiting.insert(self.last, answer);
        Some(self.last)
    }

    /// Answers a request. Each is answered once; a second answer goes nowhere.
    pub(crate) fn answer(&mut self, token: ReplyToken, reply: Result<ClientReply, RequestError>) {
        if let Some(answer) = self.waiting.remove(&token) {
            send(answer, reply);
        } else {
            tracing::debug!(%token, "nobody waits for this reply any more");
        }
    }

    /// Forgets a request: its asker finds out that no answer comes.
    pub(crate) fn lose(&mut self, token: ReplyToken) {
        self.waiting.remove(&token);
    }

    /// Tells everybody who waits that no answer will come.
    pub(crate) fn fail_all(&mut self, why: &RequestError) {
        for answer in std::mem::take(&mut self.waiting).into_values() {
            send(answer, Err(why.clone()));
        }
    }
}

fn send(answer: Answer, reply: Result<ClientReply, RequestError>) {
    if answer.send(reply).is_err() {
        tracing::debug!("a client went away before its answer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_waiting_requests_is_bounded_and_those_who_left_make_room() {
        let mut replies = Replies::default();
        let mut receivers: Vec<_> = (0..MAX_WAITING)
            .map(|_| {
                let (answer, receiver) = oneshot::channel();
                assert!(replies.wait(answer).is_some());
                receiver
            })
            .collect();
        let (answer, mut refused) = oneshot::channel();
        assert_eq!(replies.wait(answer), None);
        assert_eq!(refused.try_recv(), Ok(Err(RequestError::TooManyWaiting { capacity: MAX_WAITING })));

        receivers.truncate(1);
        let (answer, _receiver) = oneshot::channel();
        assert!(replies.wait(answer).is_some());

        replies.fail_all(&RequestError::TermEnded);
        assert_eq!(receivers[0].try_recv(), Ok(Err(RequestError::TermEnded)));
    }
}
