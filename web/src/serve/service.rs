//! Requests on their way from a connection to the routes, and answers on their way back.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderName, HeaderValue, Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use tower::ServiceExt;

use super::connection::{Connection, RequestInFlight};
use super::streams::Progress;

/// How a proxy says by which scheme it was asked.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Answers the requests of one connection.
#[derive(Debug)]
pub(super) struct Answering {
    router: Router,
    connection: Arc<Connection>,
    over_tls: bool,
}

impl Answering {
    pub(super) fn new(router: Router, connection: Arc<Connection>, over_tls: bool) -> Self {
        Self { router, connection, over_tls }
    }
}

impl hyper::service::Service<Request<Incoming>> for Answering {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let in_flight = self.connection.begin_request();
        request.extensions_mut().insert(self.connection.clone());
        if self.over_tls {
            // Said as a proxy that ends TLS says it, so that there is one place to look.
            request.headers_mut().insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        }
        let router = self.router.clone();
        Box::pin(async move {
            let response = router.oneshot(request.map(Body::new)).await?;
            Ok(response.map(|body| Answer {
                body,
                pieces: 0,
                progress: Progress::here(),
                _in_flight: in_flight,
            }))
        })
    }
}

/// The body of an answer. Its request is under way for as long as it is there.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    pieces: u64,
    progress: Option<Progress>,
    _in_flight: RequestInFlight,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.pieces += 1;
        if let Some(progress) = &self.progress {
            match polled {
                Poll::Ready(Some(Ok(_))) => progress.offered(self.pieces),
                _ => progress.wanted(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
