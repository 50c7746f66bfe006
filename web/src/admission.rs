//! Admission: how many requests are let in at once, and with how much room for their bodies. The rest is told to come
//! back, rather than filling the memory while the database is slow.
//!
//! Callers without a good token have a room of their own, and never touch what callers with one need: neither for
//! requests, nor for bodies, nor while a token is looked up.

use std::sync::Arc;
use std::time::Duration;

use access::{Credential, LookupError, TokenHash, Tokens};
use api::ApiConfig;
use api::ProblemCode;
use api::extract::{Identified, credential};
use api::inlet::{KnownInlet, shown_key};
use api::outside::Outside;
use api::permit::AdmissionPermit;
use api::problem::Problem;
use api::received::{Limits, Room, Share, receive};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::serve::Connection;

/// How many tokens that were not seen before are looked up at once; others wait for their turn.
const NEWCOMERS: usize = 16;

/// Forms hold a token, or what of a page was ticked: 200 notifications at most.
const FORM: Limits = Limits {
    bytes: 16 * 1024,
    patience: Duration::from_secs(10),
    advice: "Load the page again, and send its form from there.",
};

/// What is left of the room for requests. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    newcomers: Arc<Semaphore>,
    bodies: Room,
    forms: Room,
    tokens: Tokens,
}

/// What a request holds until it is answered.
struct Admitted {
    permit: AdmissionPermit,
    _body: Share,
}

impl Admission {
    pub fn new(config: &ApiConfig, tokens: Tokens) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(config.max_requests)),
            strangers: Arc::new(Semaphore::new(config.max_stranger_requests)),
            newcomers: Arc::new(Semaphore::new(NEWCOMERS)),
            bodies: Room::new(config.max_bodies_bytes.max(config.max_body_bytes)),
            forms: Room::new(config.max_forms_bytes),
            tokens,
        }
    }

    async fn let_in(&self, request: Request) -> Result<(Request, Admitted), Problem> {
        // A form that is still coming holds nothing but what has come of it.
        let (mut request, form) = self.with_form(request).await?;
        let mut inlet_known = false;
        let (found, permit) = if let Some(shown) = key_shown(&request) {
            let (found, permit) = self.through_inlet(shown).await?;
            inlet_known = found.0.is_ok();
            request.extensions_mut().insert(found);
            (None, permit)
        } else if belongs_to_a_tenant(&request) {
            // A request can't be held while something is waited for: it is not to be shared.
            let shown = credential(&Outside::of_request(&request), request.headers());
            let (found, permit) = self.identified(shown).await?;
            (Some(found), permit)
        } else {
            (None, enter(&self.strangers)?)
        };
        let known = inlet_known || found.as_ref().is_some_and(|found| found.0.is_ok());
        if known && let Some(connection) = request.extensions().get::<Arc<Connection>>() {
            connection.is_known();
        }
        let body = form.unwrap_or_else(|| self.bodies.share());
        if known {
            request.extensions_mut().insert(body.clone());
        }
        if let Some(found) = found {
            request.extensions_mut().insert(found);
        }
        request.extensions_mut().insert(permit.clone());
        Ok((request, Admitted { permit, _body: body }))
    }

    /// The caller, and a permit of the pool for callers of that kind.
    async fn identified(
        &self,
        shown: Result<Credential, Problem>,
    ) -> Result<(Identified, AdmissionPermit), Problem> {
        match shown {
            Ok(shown) => {
                let (found, permit) = self.look_up(shown.hash(), self.tokens.holder(&shown)).await?;
                Ok((Identified(found), permit))
            }
            Err(none) => Ok((Identified(Err(none)), enter(&self.strangers)?)),
        }
    }

    /// The same of the key of an inlet.
    async fn through_inlet(
        &self,
        shown: Result<TokenHash, Problem>,
    ) -> Result<(KnownInlet, AdmissionPermit), Problem> {
        match shown {
            Ok(shown) => {
                let (found, permit) = self.look_up(shown, self.tokens.inlet(shown)).await?;
                Ok((KnownInlet(found), permit))
            }
            Err(none) => Ok((KnownInlet(Err(none)), enter(&self.strangers)?)),
        }
    }

    /// Looks up what was shown, where there is room for it.
    async fn look_up<T>(
        &self,
        shown: TokenHash,
        looking: impl Future<Output = Result<T, LookupError>>,
    ) -> Result<(Result<T, Problem>, AdmissionPermit), Problem> {
        if self.tokens.is_familiar(shown) {
            let permit = enter(&self.requests)?;
            return Ok((looking.await.map_err(Problem::from), permit));
        }
        // A caller that makes tokens up by the thousand waits with others that were never seen.
        let turn = self.newcomers.acquire().await.map_err(|_| overloaded())?;
        let found = looking.await.map_err(Problem::from);
        drop(turn);
        let room = if found.is_ok() { &self.requests } else { &self.strangers };
        Ok((found, enter(room)?))
    }

    /// The request with all of its form, where it is that of a page, and the room that the form takes.
    async fn with_form(&self, request: Request) -> Result<(Request, Option<Share>), Problem> {
        if !is_form(&request) {
            return Ok((request, None));
        }
        let share = self.forms.share();
        let (mut head, body) = request.into_parts();
        let mut asked = Request::new(body);
        *asked.headers_mut() = head.headers.clone();
        let form = receive(asked, FORM, &share).await?;
        for said_of_the_wire in [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
            head.headers.remove(said_of_the_wire);
        }
        Ok((Request::from_parts(head, Body::from(form)), Some(share)))
    }
}

/// Lets a request in if there is room for it, or answers 503 at once.
pub(crate) async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    match admission.let_in(request).await {
        Ok((request, admitted)) => {
            let answer = next.run(request).await;
            admitted.permit.leave();
            answer
        }
        Err(problem) => problem.into_response(),
    }
}

fn enter(room: &Arc<Semaphore>) -> Result<AdmissionPermit, Problem> {
    AdmissionPermit::take(room).ok_or_else(overloaded)
}

fn overloaded() -> Problem {
    let detail = "The server has as many requests in hand as it takes. Nothing of this one was done.";
    Problem::unavailable(ProblemCode::Overloaded, detail, 1)
}

fn path(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str)
}

/// The key of an inlet, where the request is for one.
fn key_shown(request: &Request) -> Option<Result<TokenHash, Problem>> {
    shown_key(request.extensions().get(), request.uri(), request.headers())
}

fn belongs_to_a_tenant(request: &Request) -> bool {
    path(request).contains("{tenant}")
}

/// Whether it brings a form to a page. What calls itself one and is sent to the API is refused by its type; and curl
/// calls so whatever it sends to an inlet.
fn is_form(request: &Request) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    kind.starts_with(b"application/x-www-form-urlencoded")
        && !path(request).starts_with("/v1/")
        && key_shown(request).is_none()
}
