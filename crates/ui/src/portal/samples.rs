//! The portal's pages with sample data, for the tests of all pages.

use askama::Template;

use super::consent::Sees;
use super::{
    account, app_passwords as own_app_passwords, authenticator, code, consent, picture as own_picture, set_up, sign_in,
    sign_out,
};
use crate::form::Field;
use crate::samples::{NAMES, face, field, frame, note, notice, party, picture, picture_form, when};

/// Every page, some of them in more than one state.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("sign-in", sign_in(false).render().unwrap()),
        ("sign-in-error", sign_in(true).render().unwrap()),
        ("code", code(false).render().unwrap()),
        ("code-error", code(true).render().unwrap()),
        ("enrol", enrol(false).render().unwrap()),
        ("enrol-error", enrol(true).render().unwrap()),
        ("consent", consent().render().unwrap()),
        ("account", account(true).render().unwrap()),
        ("account-new", account(false).render().unwrap()),
        ("own-picture", own_picture(false).render().unwrap()),
        ("own-picture-error", own_picture(true).render().unwrap()),
        ("app-passwords", app_passwords(true, false).render().unwrap()),
        ("app-passwords-none", app_passwords(false, false).render().unwrap()),
        ("app-passwords-error", app_passwords(true, true).render().unwrap()),
        ("app-password", app_password().render().unwrap()),
        ("app-password-revoke", app_password_revoke().render().unwrap()),
        ("sign-out", sign_out::Ask { frame: frame(), name: NAMES[4].into() }.render().unwrap()),
        ("signed-out", sign_out::SignedOut { frame: frame(), again: "/sign-in" }.render().unwrap()),
        ("set-up", set_up(false).render().unwrap()),
        ("set-up-error", set_up(true).render().unwrap()),
    ]
}

fn sign_in(failed: bool) -> sign_in::Page {
    sign_in::Page {
        frame: frame(),
        notice: failed.then(notice),
        application: Some(party()),
        action: "/sign-in?grant=01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f".into(),
        username: if failed { NAMES[4].into() } else { String::new() },
        remember: failed,
        again: failed,
    }
}

fn code(failed: bool) -> code::Page {
    code::Page {
        frame: frame(),
        notice: failed.then(notice),
        application: Some(party()),
        action: "/sign-in/code".into(),
        sign_out: "/sign-out".into(),
        username: NAMES[4].into(),
    }
}

fn enrol(failed: bool) -> authenticator::Page {
    authenticator::Page {
        frame: frame(),
        notice: failed.then(notice),
        reason: failed.then(|| format!("{} asks for a second step.", NAMES[4])),
        action: "/sign-in/authenticator".into(),
        ticket: "c0123456789".into(),
        qr: picture(),
        url: "otpauth://totp/Acme%20Co.:ada.okafor?secret=NB2WK4TFN5ZXIYLSPFXHI33SOJQW4Z3F&issuer=Acme%20Co.".into(),
        secret: ["NB2W", "K4TF", "N5ZX", "IYLS", "PFXH", "I33S", "OJQW", "4Z3F"].map(String::from).into(),
    }
}

fn consent() -> consent::Page {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    consent::Page {
        frame: frame(),
        application: party(),
        sees: vec![
            Sees { what: "Your name", values: names(&[NAMES[4], NAMES[2]]) },
            Sees { what: "Your e-mail address", values: names(&["ada.okafor@example.tld"]) },
            Sees { what: "Your groups", values: names(&NAMES) },
        ],
        remembered: "We remember your answer for 1 year.".into(),
        action: "/consent".into(),
        sign_out: "/sign-out".into(),
        name: NAMES[4].into(),
    }
}

fn account(has_all: bool) -> account::Page {
    account::Page {
        frame: frame(),
        face: face(has_all),
        name: NAMES[4].into(),
        username: "ada.okafor".into(),
        email: "ada.okafor@example.tld".into(),
        password_changed: has_all.then(when),
        has_totp: has_all,
        app_passwords: has_all.then(|| "2 app passwords".into()),
        sessions: "4 devices".into(),
        signed_in: when(),
        panel: Some(account::Panel {
            href: "http://directory.localhost:8080/groups".into(),
            groups: (!has_all).then(|| NAMES[4].into()),
        }),
        is_administrator: has_all,
    }
}

fn own_picture(failed: bool) -> own_picture::Page {
    own_picture::Page {
        frame: frame(),
        notice: failed.then(notice),
        note: (!failed).then(|| note().said()),
        form: picture_form(failed),
    }
}

fn app_passwords(has_some: bool, failed: bool) -> own_app_passwords::Page {
    let row = |name: &str, is_used: bool, is_ended: bool| own_app_passwords::Row {
        name: name.to_owned(),
        made: when(),
        used: is_used.then(|| (when(), Some("2001:db8:85a3:8d3:1319:8a2e:370:7348".to_owned()))),
        networks: if is_used { vec!["192.0.2.7".to_owned(), "10.0.0.0/8".to_owned()] } else { Vec::new() },
        service: is_used.then(|| NAMES[4].to_owned()),
        is_ended,
        revoke: "/account/app-passwords/01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f/revoke".to_owned(),
    };
    let option = |value: &str, is_chosen| own_app_passwords::Choice { value: value.to_owned(), is_chosen };
    own_app_passwords::Page {
        frame: frame(),
        notice: failed.then(notice),
        note: (has_some && !failed).then(|| note().said()),
        rows: if has_some {
            vec![row(NAMES[4], true, false), row(NAMES[1], false, false), row(NAMES[2], true, true)]
        } else {
            Vec::new()
        },
        needs_one: has_some,
        name: if failed { field() } else { Field::default() },
        networks: if failed { field() } else { Field::default() },
        service_error: failed.then(|| NAMES[4].to_owned()),
        services: if has_some { vec![option(NAMES[4], failed), option("nextcloud", false)] } else { Vec::new() },
    }
}

fn app_password() -> own_app_passwords::Made {
    own_app_passwords::Made {
        frame: frame(),
        name: NAMES[4].into(),
        secret: "ost_ap_mfrggzdfmztwq2lkmfrggzdfmztwq2lk".into(),
        username: NAMES[1].into(),
        dn: format!("uid={},ou=people,dc=example,dc=tld", NAMES[4]),
        server: Some("ldaps://accounts.example.tld".into()),
    }
}

fn app_password_revoke() -> own_app_passwords::Ask {
    own_app_passwords::Ask { frame: frame(), name: NAMES[4].into(), is_ended: false }
}

fn set_up(failed: bool) -> set_up::Page {
    let fields = set_up::Fields {
        username: field(),
        email: field(),
        given_name: field(),
        family_name: field(),
        password: Some(NAMES[4].into()),
        password_hint: "10 characters or more.".into(),
    };
    set_up::Page {
        frame: frame(),
        notice: failed.then(notice),
        form: if failed { fields } else { set_up::Fields::default() },
    }
}
