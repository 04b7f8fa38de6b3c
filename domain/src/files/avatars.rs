//! Avatars: public pictures under an address that nobody guesses and that never shows another picture.

use rand::RngExt;
use shared::UserId;

use super::{Files, Intake, Reading, kind, kind::Kind, picture, refused};
use crate::{DomainError, Result, Viewer};

/// Bytes of a picture that is to be an avatar.
const MOST: usize = 2 << 20;
/// Characters of an avatar's own name: 128 random bits as hex digits.
const NAME: usize = 32;

/// What all avatars of a user begin with.
pub(super) fn directory(user: UserId) -> String {
    format!("avatars/{user}")
}

/// Where an avatar is; `None` for what can be no avatar's name.
fn object(user: &str, file: &str) -> Option<String> {
    let user: UserId = user.parse().ok()?;
    let (name, ending) = file.split_once('.')?;
    let is_name = name.len() == NAME && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (is_name && matches!(ending, "png" | "jpg")).then(|| format!("{}/{file}", directory(user)))
}

impl Files {
    /// Takes in a picture that is to be the viewer's avatar.
    pub async fn begin_avatar(&self, viewer: &Viewer) -> Result<Intake> {
        self.begin(viewer, MOST).await
    }

    /// Makes the middle of a picture the viewer's avatar, and gives its address.
    pub async fn set_avatar(&self, viewer: &Viewer, intake: Intake) -> Result<String> {
        let (bytes, _held) = intake.finish();
        let Kind::Picture(format) = kind::sniff(&bytes) else {
            return Err(DomainError::invalid("body", "send a PNG, JPEG, GIF or WebP image"));
        };
        let limits = self.picture_limits();
        let made = self.images.run(move || picture::avatar(&bytes, format, limits)).await?;
        let (file, mime) = made.map_err(|why| refused(why, "body", limits))?;
        let name = format!("{:032x}.{}", rand::rng().random::<u128>(), kind::ending(mime));
        let object = format!("{}/{name}", directory(viewer.user));
        self.objects.put(&object, file).await?;
        let url = format!("/api/avatars/{}/{name}", viewer.user);
        let before = match self.store.users.set_avatar(viewer.user, Some(&url)).await {
            Ok(before) => before,
            Err(e) => {
                let e = DomainError::from(e);
                // Where it is not known whether it stands there, the file goes with the account.
                if !matches!(e, DomainError::Unavailable(_) | DomainError::Unexpected(_)) {
                    self.remove_quietly(&object).await;
                }
                return Err(e);
            }
        };
        self.replaced(viewer.user, before).await;
        Ok(url)
    }

    /// The viewer has no avatar any more.
    pub async fn remove_avatar(&self, viewer: &Viewer) -> Result<()> {
        let before = self.store.users.set_avatar(viewer.user, None).await?;
        self.replaced(viewer.user, before).await;
        Ok(())
    }

    async fn replaced(&self, user: UserId, before: Option<String>) {
        self.names.forget(user).await;
        let file = before.as_deref().and_then(|url| url.rsplit('/').next());
        if let Some(object) = file.and_then(|file| object(&user.to_string(), file)) {
            self.remove_quietly(&object).await;
        }
    }

    /// What is left where this fails goes with the account.
    async fn remove_quietly(&self, object: &str) {
        if let Err(e) = self.objects.remove(object).await {
            e.log();
        }
    }

    /// A picture by its address, and its type. Anybody may have it who knows that.
    pub async fn avatar(&self, user: &str, file: &str) -> Result<(Reading, &'static str)> {
        let gone = DomainError::NotFound("there is no such avatar");
        let Some(object) = object(user, file) else { return Err(gone) };
        let mime = if file.ends_with("png") { "image/png" } else { "image/jpeg" };
        self.objects.get(&object, None).await?.map(|reading| (reading, mime)).ok_or(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_an_avatar_s_name_is_looked_for() {
        let (user, name) = (UserId::new().to_string(), "0123456789abcdef0123456789abcdef");
        assert_eq!(object(&user, &format!("{name}.png")), Some(format!("avatars/{user}/{name}.png")));
        for file in ["", ".png", "../x.png", &format!("{name}.svg"), &format!("{name}/..jpg"), &name.to_uppercase()] {
            assert_eq!(object(&user, file), None, "{file}");
        }
        assert_eq!(object("..", &format!("{name}.png")), None);
    }
}
