//! Registering and logging in.

use actix_web::{
    HttpResponse,
    middleware::from_fn,
    post,
    web::{Data, Json},
};
use domain::{
    Domain, DomainError,
    accounts::{Login, Signup, Tokens},
};
use serde::{Deserialize, Serialize};
use shared::{
    Problem, Timestamp, UserId,
    protocol::{Status, User},
};
use utoipa::ToSchema;
use web::{
    ApiResult, CameFrom,
    error::{problem_response, with_success},
};

use super::Answer;

#[derive(Debug, Deserialize, ToSchema)]
struct Registration {
    /// `[A-Za-z0-9_.-]{1,32}`, unique without case.
    username: String,
    email: String,
    /// 8 to 128 characters; none of the most common.
    password: String,
}

/// An account as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Account {
    id: UserId,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    status: Status,
    created_at: Timestamp,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        let User { id, username, email, status, created_at, .. } = user;
        Self { id, username, email, status, created_at }
    }
}

/// A token of 24 hours, and whose it is.
#[derive(Debug, Serialize, ToSchema)]
struct LoggedIn {
    /// `Authorization: Bearer`, and `/ws?token=` on chat-server.
    token: String,
    user: Account,
}

/// Messaging API: makes an account.
#[utoipa::path(tag = "messaging API", request_body = Registration, responses(
    (status = 201, body = Answer<Account>),
    (status = 400, body = Problem, description = "INVALID_MESSAGE, USERNAME_TAKEN, EMAIL_TAKEN"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/users/register", wrap = "from_fn(with_success)")]
pub(super) async fn register(
    domain: Data<Domain>,
    from: CameFrom,
    input: Json<Registration>,
) -> ApiResult<HttpResponse> {
    let Registration { username, email, password } = input.into_inner();
    let input = Signup { username, email, password, display_name: None };
    match domain.accounts.register(input, &from.0).await {
        Ok(user) => Ok(HttpResponse::Created().json(Answer::of(Account::from(user)))),
        // This API's own status for it.
        Err(e @ (DomainError::UsernameTaken | DomainError::EmailTaken)) => {
            Ok(problem_response(Problem { status: 400, ..Problem::new(e.code(), e.to_string()) }))
        }
        Err(e) => Err(e.into()),
    }
}

/// Messaging API: by username or e-mail, and password. The token ends with its session, which `GET /api/sessions` lists.
#[utoipa::path(tag = "messaging API", request_body = Login, responses(
    (status = 200, body = Answer<LoggedIn>),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED: wrong name or password"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/users/login", wrap = "from_fn(with_success)")]
pub(super) async fn log_in_user(
    domain: Data<Domain>,
    from: CameFrom,
    input: Json<Login>,
) -> ApiResult<Json<Answer<LoggedIn>>> {
    let signed_in = domain.accounts.log_in_for(input.into_inner(), &from.0, Tokens::Lasting).await?;
    Ok(Json(Answer::of(LoggedIn { token: signed_in.token, user: signed_in.user.into() })))
}
