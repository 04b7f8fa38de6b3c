//! Answers `chatapp admin` in a running process: HTTP on a Unix socket in the data directory, for its owner alone.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use actix_web::{
    App, HttpResponse, HttpServer,
    web::{Data, Json, JsonConfig, post},
};
use anyhow::{Context, ensure};
use domain::{
    DomainError,
    admin::{Admin, Command},
};
use store::Store;
use tokio_util::sync::CancellationToken;

const NAME: &str = "admin.sock";
/// Of a command.
const BODY: usize = 64 * 1024;
/// What the kernel takes as the address of a socket, without the zero at its end.
const LONGEST_PATH: usize = 107;

/// Where the socket of a data directory is.
pub fn path(dir: &Path) -> anyhow::Result<PathBuf> {
    let path = dir.join(NAME);
    let length = path.as_os_str().as_bytes().len();
    ensure!(
        length <= LONGEST_PATH,
        "the path of the admin socket is too long ({length} bytes of at most {LONGEST_PATH}): {}. Give the data \
         directory by a shorter path",
        path.display()
    );
    Ok(path)
}

/// Serves until `shutdown`. Call with the store of `dir` open: then the socket of an earlier process is a stale one.
pub async fn serve(dir: &Path, store: Store, shutdown: CancellationToken) -> anyhow::Result<()> {
    let path = path(dir)?;
    let listener = listen(dir, &path).with_context(|| format!("listen on {}", path.display()))?;
    let admin = Data::new(Admin::new(store));
    let app = move || {
        App::new().app_data(admin.clone()).app_data(JsonConfig::default().limit(BODY)).route("/", post().to(carry_out))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1).listen_uds(listener)?.run();
    let handle = server.handle();
    let ending = async {
        shutdown.cancelled().await;
        // Nobody finds it any more. A backup under way goes on: closing the store waits for it.
        let removed = fs::remove_file(&path);
        handle.stop(true).await;
        removed
    };
    let (served, removed) = tokio::join!(server, ending);
    served?;
    removed.with_context(|| format!("remove {}", path.display()))
}

/// Bound inside a directory of its own and then moved: nobody else can connect before its mode is set. What it is bound
/// at is no longer than where it is moved to.
fn listen(dir: &Path, path: &Path) -> io::Result<UnixListener> {
    let making = dir.join("admin.d");
    if making.try_exists()? {
        fs::remove_dir_all(&making)?;
    }
    DirBuilder::new().mode(0o700).create(&making)?;
    let bound = making.join("s");
    let listener = UnixListener::bind(&bound)?;
    fs::set_permissions(&bound, Permissions::from_mode(0o600))?;
    fs::rename(&bound, path)?;
    fs::remove_dir(&making)?;
    Ok(listener)
}

/// The answer as JSON, or one line that says why there is none.
async fn carry_out(admin: Data<Admin>, command: Json<Command>) -> HttpResponse {
    match admin.run(command.into_inner()).await {
        Ok(answer) => HttpResponse::Ok().json(answer),
        // Whoever asks is the operator: the cause is for them.
        Err(e @ (DomainError::Unavailable(_) | DomainError::Unexpected(_))) => {
            HttpResponse::InternalServerError().body(format!("{:#}", anyhow::Error::new(e)))
        }
        Err(e) => HttpResponse::BadRequest().body(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_the_kernel_would_cut_is_refused() {
        assert!(path(Path::new("data")).is_ok());
        let long = "x".repeat(LONGEST_PATH - NAME.len() - 1);
        assert_eq!(path(Path::new(&long)).unwrap().as_os_str().len(), LONGEST_PATH);
        let error = path(Path::new(&format!("{long}x"))).unwrap_err().to_string();
        assert!(error.contains("108 bytes") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn the_longest_path_that_is_taken_can_be_listened_on() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(LONGEST_PATH - NAME.len() - 2 - dir.path().as_os_str().len()));
        fs::create_dir(&long).unwrap();
        let path = path(&long).unwrap();
        assert_eq!(path.as_os_str().len(), LONGEST_PATH);
        let _listening = listen(&long, &path).unwrap();
        std::os::unix::net::UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn the_socket_is_for_its_owner_alone_and_takes_the_place_of_a_stale_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path()).unwrap();
        drop(listen(dir.path(), &path).unwrap());
        let _listening = listen(dir.path(), &path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        std::os::unix::net::UnixStream::connect(&path).unwrap();
    }
}
