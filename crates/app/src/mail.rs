//! Mail: writing notices into the outbox and handing them over.
//!
//! A notice is put into the outbox by the transaction that is the reason for it. Handing over
//! happens in its own time, so no verb waits for a mail server, and a start needs none. What a
//! server refuses for good is given up; everything else is tried again, for three days.

use std::fmt::Write as _;
use std::path::PathBuf;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Address, AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use ostiary_model::{Actor, Ctx, Secret, Span, User};
use ostiary_store::{OutgoingMail, Tx};
use thiserror::Error;

use crate::{App, Trouble};

const STYLE: &str = include_str!("../../../web/mail/mail.css");
/// How long one attempt may take before another process may try.
const LEASE: Span = Span::from_mins(2);
/// Attempts before a mail is given up: with the waits between them about three days.
const ATTEMPTS: i64 = 21;

/// How mail leaves.
#[derive(Debug, Clone)]
pub enum MailRoute {
    /// As files in this folder, one a mail.
    Folder(PathBuf),
    /// Through an SMTP server: `smtp://`, `smtp://…?tls=required` (STARTTLS) or `smtps://`, with
    /// user and password in it.
    Smtp(Secret),
}

/// How mail leaves and who it says it is from.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The way out.
    pub route: MailRoute,
    /// The sender's address.
    pub from: String,
}

/// The mail settings cannot be used. The text says what is wrong.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct InvalidMail(String);

enum Transport {
    Folder(PathBuf, AsyncFileTransport<Tokio1Executor>),
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

/// Hands mail over.
pub(crate) struct Mailer {
    transport: Transport,
    from: Mailbox,
}

enum Refusal {
    /// Trying again changes nothing.
    ForGood(String),
    /// Trying again may help.
    ForNow(String),
}

impl Mailer {
    pub(crate) fn new(settings: &MailSettings, sender_name: &str) -> Result<Self, InvalidMail> {
        let address: Address = settings
            .from
            .parse()
            .map_err(|_| InvalidMail(format!("{:?} is not an e-mail address to send from", settings.from)))?;
        let transport = match &settings.route {
            MailRoute::Folder(path) => Transport::Folder(path.clone(), AsyncFileTransport::new(path)),
            MailRoute::Smtp(url) => Transport::Smtp(
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
                    .map_err(|error| InvalidMail(format!("not an address of a mail server: {error}")))?
                    .timeout(Some(Span::from_secs(20).to_std()))
                    .build(),
            ),
        };
        Ok(Self { transport, from: Mailbox::new(Some(sender_name.to_owned()), address) })
    }

    async fn send(&self, mail: &OutgoingMail) -> Result<(), Refusal> {
        let to: Address = mail.recipient().parse().map_err(|_| Refusal::ForGood("not an address".into()))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject())
            .message_id(Some(format!("<{}@{}>", mail.id(), self.from.email.domain())))
            .multipart(MultiPart::alternative_plain_html(mail.body_text().to_owned(), mail.body_html().to_owned()))
            .map_err(|error| Refusal::ForGood(error.to_string()))?;
        match &self.transport {
            Transport::Smtp(smtp) => smtp.send(message).await.map(drop).map_err(|error| refusal(&error)),
            Transport::Folder(path, folder) => {
                tokio::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(path)
                    .await
                    .map_err(|error| Refusal::ForNow(error.to_string()))?;
                folder.send(message).await.map(drop).map_err(|error| Refusal::ForNow(error.to_string()))
            }
        }
    }
}

fn refusal(error: &SmtpError) -> Refusal {
    if error.is_permanent() { Refusal::ForGood(error.to_string()) } else { Refusal::ForNow(error.to_string()) }
}

impl App {
    /// Hands over the next mail that is due. False when there is none.
    ///
    /// # Errors
    /// [`Trouble`] when the outbox does not answer; a mail server's refusal is no error here.
    pub async fn mail_hand_over(&self, ctx: &Ctx) -> Result<bool, Trouble> {
        let Some(mail) = self.store().outbox_claim(ctx.now, LEASE).await? else { return Ok(false) };
        let outcome = self.mailer.send(&mail).await;
        let mut tx = self.store().begin().await?;
        match outcome {
            Ok(()) => tx.outbox_delete(mail.id()).await?,
            Err(Refusal::ForNow(cause)) if mail.attempts() < ATTEMPTS => {
                tracing::warn!(mail = %mail.id(), attempts = mail.attempts(), cause, "mail could not be handed over yet");
                tx.outbox_postpone(mail.id(), ctx.now + wait_after(mail.attempts())).await?;
            }
            Err(Refusal::ForNow(cause) | Refusal::ForGood(cause)) => {
                tracing::error!(mail = %mail.id(), attempts = mail.attempts(), cause, "mail was given up");
                tx.outbox_delete(mail.id()).await?;
            }
        }
        self.commit(ctx, tx).await?;
        Ok(true)
    }

    /// Tells `user` that an authenticator app was set up.
    pub(crate) async fn notice_factor_added(&self, ctx: &Ctx, tx: &mut Tx, user: &User) -> Result<(), Trouble> {
        let what = "An authenticator app was set up for your account. From now on a code from it is asked for when you sign in.";
        self.notice(ctx, tx, user, "Two-step sign-in is on", what).await
    }

    /// Tells `user` that an app password named `name` was made for their account.
    pub(crate) async fn notice_app_password_made(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        user: &User,
        name: &str,
    ) -> Result<(), Trouble> {
        let what = format!(
            "An app password named “{name}” was made for your account. A program that has it signs in as you, without a second step, until you revoke it on your account page."
        );
        self.notice(ctx, tx, user, "A new app password", &what).await
    }

    /// Tells `user` that an administrator took the second factors away.
    pub(crate) async fn notice_factors_reset(&self, ctx: &Ctx, tx: &mut Tx, user: &User) -> Result<(), Trouble> {
        let what = "An administrator reset your two-step sign-in and signed you out everywhere. Sign in with your password to set up your authenticator app anew.";
        self.notice(ctx, tx, user, "Your two-step sign-in was reset", what).await
    }

    /// Tells `user` that their password was set: by an administrator, or over LDAP by whoever has
    /// the one before. The latter may be somebody who should not have it, so it is not told as the
    /// former.
    pub(crate) async fn notice_password_set(&self, ctx: &Ctx, tx: &mut Tx, user: &User) -> Result<(), Trouble> {
        let what = match ctx.actor {
            Actor::Bound { user: own, .. } if own == user.id => {
                "Somebody who was signed in as you over LDAP changed your password. You were signed out everywhere."
            }
            _ => "An administrator set a new password for your account and signed you out everywhere.",
        };
        self.notice(ctx, tx, user, "Your password was changed", what).await
    }

    async fn notice(&self, ctx: &Ctx, tx: &mut Tx, user: &User, title: &str, what: &str) -> Result<(), Trouble> {
        let letter = Letter {
            org: &self.settings().site.org_name,
            host: self.settings().site.accounts_url.host_str().unwrap_or_default(),
            title,
            hello: &user.profile.full_name(),
            username: user.profile.username.as_str(),
            what,
            from: ctx.address.map(|address| address.to_string()).filter(|_| ctx.actor.user() == Some(user.id)),
        };
        let subject = format!("{title} – {}", letter.org);
        let mail = OutgoingMail::new(ctx.id(), user.profile.email.to_string(), subject, letter.text(), letter.html());
        tx.outbox_insert(&mail, ctx.now).await?;
        Ok(())
    }
}

/// Doubling waits from half a minute up to six hours.
fn wait_after(attempts: i64) -> Span {
    let doubled = 30_u32.saturating_mul(1 << attempts.clamp(0, 10));
    Span::from_secs(doubled.min(6 * 3600))
}

/// A notice, before it is text and HTML. Both say the same.
struct Letter<'a> {
    org: &'a str,
    host: &'a str,
    title: &'a str,
    hello: &'a str,
    username: &'a str,
    what: &'a str,
    from: Option<String>,
}

impl Letter<'_> {
    fn text(&self) -> String {
        let mut text =
            format!("Hello {}, this is about your account {}.\n\n{}\n", self.hello, self.username, self.what);
        if let Some(from) = &self.from {
            let _ = write!(text, "\nWhere it was done\nFrom the address {from}\n");
        }
        let _ = write!(
            text,
            "\nIt was not you, and you do not know why?\nTell your administrator at once.\n\n-- \nSent for {} by {}.\nWe never ask for your password by mail.\n",
            self.org, self.host
        );
        text
    }

    fn html(&self) -> String {
        let [org, host, title, hello, username, what] =
            [self.org, self.host, self.title, self.hello, self.username, self.what].map(escape);
        let from = self.from.as_deref().map_or_else(String::new, |from| {
            format!("<h2>Where it was done</h2><p>From the address {}</p>", escape(from))
        });
        format!(
            "<!doctype html><html lang=\"en\" dir=\"ltr\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><style>{STYLE}</style></head>\
             <body><main class=\"mail\"><p class=\"mail-brand\">{org}</p><div class=\"mail-body\"><h1>{title}</h1>\
             <p>Hello <bdi>{hello}</bdi>, this is about your account <bdi><strong>{username}</strong></bdi>.</p>\
             <p>{what}</p>{from}<h2>It was not you, and you do not know why?</h2>\
             <p>Tell your administrator at once.</p></div>\
             <p class=\"mail-foot\">Sent for {org} by {host}. We never ask for your password by mail.</p></main></body></html>"
        )
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_letter_are_text_and_nothing_else() {
        let letter = Letter {
            org: "A & B",
            host: "accounts.example.tld",
            title: "Two-step sign-in is on",
            hello: "<script>alert(1)</script>",
            username: "ada",
            what: "Something was done.",
            from: Some("192.0.2.1".into()),
        };
        let html = letter.html();
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;") && html.contains("A &amp; B"));
        assert!(letter.text().contains("192.0.2.1"));
    }

    #[test]
    fn waits_grow_and_have_an_end() {
        assert_eq!(wait_after(0), Span::from_secs(30));
        assert_eq!(wait_after(3), Span::from_secs(240));
        assert_eq!(wait_after(15), Span::from_hours(6));
    }
}
