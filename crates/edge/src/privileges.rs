//! Which user the process runs as: root opens the ports, and then is nobody special for ever.
//!
//! Leaves out when that is; the ports must be open by then and everything else must not.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::prctl::set_no_new_privs;
use nix::unistd::{
    Gid, Uid, User, geteuid, getgrouplist, getresgid, getresuid, setgroups, setresgid, setresuid, setuid,
};
use thiserror::Error;

/// Folders that are made are their owner's alone.
const OWNER_ONLY: u32 = 0o700;
/// Who may write to a folder beside its owner.
const OTHERS_WRITE: u32 = 0o022;
/// What is in such a folder can be moved by its owner alone, as in /tmp.
const STICKY: u32 = 0o1000;

/// What stands in the way of running as a user. The text may be shown as it is.
#[derive(Debug, Error)]
pub enum PrivilegeError {
    /// The system does not know this user.
    #[error("this system has no user {0:?}")]
    Unknown(String),
    /// Root is who is not to be run as.
    #[error("{0:?} is root, which is what is to be given up")]
    Root(String),
    /// Only root can become somebody else.
    #[error("only root can become {0:?}, and this was started by the user with the number {1}")]
    NotRoot(String, u32),
    /// The system refuses. What was tried, and its words.
    #[error("{0}: {1}")]
    Refused(&'static str, io::Error),
    /// Whoever takes over the process could become root.
    #[error("root was given up, but could be taken back")]
    CouldBeTakenBack,
}

/// A user of the system who is not root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemUser {
    name: String,
    uid: Uid,
    gid: Gid,
}

/// Whether the process is root's.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

impl SystemUser {
    /// The user with this name.
    ///
    /// # Errors
    /// When there is none, or it is root.
    pub fn named(name: &str) -> Result<Self, PrivilegeError> {
        let user = User::from_name(name).map_err(refused("users cannot be looked up"))?;
        let user = user.ok_or_else(|| PrivilegeError::Unknown(name.to_owned()))?;
        if user.uid.is_root() {
            return Err(PrivilegeError::Root(name.to_owned()));
        }
        Ok(Self { name: user.name, uid: user.uid, gid: user.gid })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the process this user's, with the groups that the user has, and sees to it that no
    /// program that it starts gets more rights than it has. Call it before there is a second
    /// thread. Does nothing else when it is this user's already.
    ///
    /// # Errors
    /// When it is somebody else's who is not root, and when the system refuses. The process must
    /// end then: it may have lost some rights and not others.
    pub fn enter(&self) -> Result<(), PrivilegeError> {
        set_no_new_privs().map_err(refused("rights of programs that are started cannot be limited"))?;
        if !geteuid().is_root() {
            return if self.is_ours()? {
                Ok(())
            } else {
                Err(PrivilegeError::NotRoot(self.name.clone(), geteuid().as_raw()))
            };
        }
        let name = CString::new(self.name.as_str()).map_err(|_| PrivilegeError::Unknown(self.name.clone()))?;
        let groups = getgrouplist(&name, self.gid).map_err(refused("the user's groups cannot be looked up"))?;
        setgroups(&groups).map_err(refused("the groups cannot be changed"))?;
        setresgid(self.gid, self.gid, self.gid).map_err(refused("the group cannot be changed"))?;
        setresuid(self.uid, self.uid, self.uid).map_err(refused("the user cannot be changed"))?;
        // With rights that outlive the change of user these would work.
        let taken_back = setuid(Uid::from_raw(0)).is_ok() || setgroups(&groups).is_ok();
        let group = getresgid().map_err(refused("the process's group cannot be asked for"))?;
        let has_group = [group.real, group.effective, group.saved] == [self.gid; 3];
        if taken_back || !has_group || !self.is_ours()? { Err(PrivilegeError::CouldBeTakenBack) } else { Ok(()) }
    }

    /// Whether every one of the process's user numbers is this user's.
    fn is_ours(&self) -> Result<bool, PrivilegeError> {
        let user = getresuid().map_err(refused("the process's user cannot be asked for"))?;
        Ok([user.real, user.effective, user.saved] == [self.uid; 3])
    }

    /// Makes the folder `path` with those above it that are missing, and gives them to this user:
    /// where nobody but root could put something else in its place before it is given away.
    /// Elsewhere it does nothing, and the user can do it alone.
    ///
    /// # Errors
    /// The system's words.
    pub fn make_folder(&self, path: &Path) -> io::Result<()> {
        let path = std::path::absolute(path)?;
        let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
        let Some(above) = missing.last().and_then(|folder| folder.parent()) else { return Ok(()) };
        for folder in above.ancestors() {
            let data = fs::metadata(folder)?;
            if data.uid() != 0 || (data.mode() & OTHERS_WRITE != 0 && data.mode() & STICKY == 0) {
                return Ok(());
            }
        }
        for folder in missing.iter().rev() {
            DirBuilder::new().mode(OWNER_ONLY).create(folder)?;
        }
        // The innermost first: until it is given away, nobody else gets into the one around it.
        for folder in missing {
            lchown(folder, Some(self.uid.as_raw()), Some(self.gid.as_raw()))?;
        }
        Ok(())
    }
}

fn refused(what: &'static str) -> impl Fn(Errno) -> PrivilegeError {
    move |error| PrivilegeError::Refused(what, error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_user_who_is_there_and_not_root_is_one() {
        assert!(matches!(SystemUser::named("no-such-user"), Err(PrivilegeError::Unknown(_))));
        assert!(matches!(SystemUser::named("root"), Err(PrivilegeError::Root(_))));
        assert_eq!(SystemUser::named("nobody").unwrap().name(), "nobody");
    }
}
