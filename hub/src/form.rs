//! Forms that pages send.

use api::ApiState;
use api::outside::Outside;
use api::problem::Problem;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use reads::BasePath;

use super::refusal::Refusal;

/// The fields of a form of ours, in their order; it was received when its request was let in. One that can't be read,
/// or comes from another site, is refused with a page: nobody is to be signed in as somebody else, or out, by a page
/// that is not ours.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl FromRequest<ApiState> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Refusal> {
        Outside::new(request.uri(), request.headers(), &BasePath::default())
            .must_be_ours(request.headers())?;
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        Ok(Self(form.map_err(unreadable)?.0))
    }
}

impl Fields {
    /// The field of that name; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// All fields of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn unreadable(rejection: FormRejection) -> Problem {
    let detail = "Load the page again, and send its form from there.";
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::not_a_form(detail),
        _ => Problem::malformed(format!("The form can't be read: {rejection}. {detail}")),
    }
}
