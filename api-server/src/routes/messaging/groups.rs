//! Groups, which are public rooms; whoever is let into a private one by the native API finds it here too.

use actix_web::{
    HttpResponse, delete, get,
    middleware::from_fn,
    post,
    web::{Data, Json, Path, Query},
};
use domain::Domain;
use serde::{Deserialize, Serialize};
use shared::{
    Problem, RoomId, Timestamp, UserId,
    protocol::{Member, Role, Room, RoomType, command::CreateRoom},
};
use utoipa::{IntoParams, ToSchema};
use web::{ApiResult, Caller, IdempotencyKey, error::with_success};

use super::{super::rooms::parse_room, Answer};

/// Members of a page, by default and at most.
const PAGE: usize = 200;

#[derive(Debug, Deserialize, ToSchema)]
struct NewGroup {
    name: String,
    description: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Group {
    id: RoomId,
    name: Option<String>,
    description: Option<String>,
    created_by: UserId,
    member_count: u64,
    created_at: Timestamp,
}

impl From<Room> for Group {
    fn from(room: Room) -> Self {
        let Room { id, name, description, created_by, member_count, created_at, .. } = room;
        Self { id, name, description, created_by, member_count, created_at }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GroupMember {
    #[serde(rename = "userID")]
    user_id: UserId,
    username: String,
    display_name: String,
    role: Role,
    joined_at: Timestamp,
}

impl From<Member> for GroupMember {
    fn from(member: Member) -> Self {
        let Member { user_id, username, display_name, role, joined_at } = member;
        Self { user_id, username, display_name, role, joined_at }
    }
}

/// Members in order of joining.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GroupMembers {
    success: bool,
    data: Vec<GroupMember>,
    /// There may be more: the `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Messaging API: makes a group, a public room that the caller owns.
#[utoipa::path(tag = "messaging API", security(("bearer" = [])), request_body = NewGroup,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, body = Answer<Group>),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND: what was made under this key has been deleted"),
        (status = 409, body = Problem, description = "ROOM_FULL: in too many rooms; IDEMPOTENCY_CONFLICT"),
    ))]
#[post("/api/groups", wrap = "from_fn(with_success)")]
pub(super) async fn create_group(
    domain: Data<Domain>,
    caller: Caller,
    key: IdempotencyKey,
    input: Json<NewGroup>,
) -> ApiResult<HttpResponse> {
    let NewGroup { name, description } = input.into_inner();
    let input = CreateRoom {
        name,
        handle: None,
        description,
        kind: RoomType::Public,
        history_visibility: None,
        retention: None,
    };
    let room = domain.rooms.create_once(&caller.0, input, key.0.as_deref()).await?;
    Ok(HttpResponse::Created().json(Answer::of(Group::from(room))))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// 1 to 200, default 200.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Messaging API: who is in a group, in order of joining.
#[utoipa::path(tag = "messaging API", security(("bearer" = [])), params(("groupID" = String, Path), Page), responses(
    (status = 200, body = GroupMembers),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[get("/api/groups/{groupID}/members", wrap = "from_fn(with_success)")]
pub(super) async fn group_members(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    page: Query<Page>,
) -> ApiResult<Json<GroupMembers>> {
    let Page { limit, cursor } = page.into_inner();
    let limit = limit.or(Some(PAGE));
    let page = domain.rooms.members(&caller.0, parse_room(&id)?, cursor.as_deref(), limit).await?;
    let data = page.items.into_iter().map(GroupMember::from).collect();
    Ok(Json(GroupMembers { success: true, data, next_cursor: page.next_cursor }))
}

/// Messaging API: joins a group.
#[utoipa::path(tag = "messaging API", security(("bearer" = [])), params(("groupID" = String, Path)), responses(
    (status = 200, body = Answer<Group>),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: banned"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
    (status = 409, body = Problem, description = "ALREADY_A_MEMBER, ROOM_FULL"),
))]
#[post("/api/groups/{groupID}/join", wrap = "from_fn(with_success)")]
pub(super) async fn join_group(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
) -> ApiResult<Json<Answer<Group>>> {
    let id = parse_room(&id)?;
    domain.rooms.join(&caller.0, id).await?;
    Ok(Json(Answer::of(domain.rooms.view(&caller.0, id).await?.into())))
}

/// The group that was left.
#[derive(Debug, Serialize, ToSchema)]
struct LeftGroup {
    #[serde(rename = "groupID")]
    group_id: RoomId,
}

/// Messaging API: leaves a group.
#[utoipa::path(tag = "messaging API", security(("bearer" = [])), params(("groupID" = String, Path)), responses(
    (status = 200, body = Answer<LeftGroup>),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: a direct room"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[delete("/api/groups/{groupID}/leave", wrap = "from_fn(with_success)")]
pub(super) async fn leave_group(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
) -> ApiResult<Json<Answer<LeftGroup>>> {
    let group_id = parse_room(&id)?;
    domain.rooms.leave(&caller.0, group_id).await?;
    Ok(Json(Answer::of(LeftGroup { group_id })))
}
