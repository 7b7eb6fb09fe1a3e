//! Every key of the configuration, in one table: where it stands, what it sets, and the words that
//! explain it. Reading, messages and `config.example.toml` all come from here.

use super::raw::Raw;
use super::setting::{Allowed, Setting};
use super::{ClientConfig, Config, SiteEntry};

/// One key, which sets a part of `T`.
pub(crate) struct Key<T> {
    /// Its name in its section.
    pub(crate) name: &'static str,
    /// What it does, in words for the administrator.
    pub(crate) doc: &'static str,
    /// Whether its value may hold a secret: never repeated, and readable from a file.
    pub(crate) secret: bool,
    /// Reads a value and sets it.
    pub(crate) set: fn(&mut T, &Raw) -> Result<(), Allowed>,
    /// What is set, as TOML.
    pub(crate) show: fn(&T) -> String,
}

/// A section, what it is about, and its keys.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key<Config>],
}

macro_rules! keys {
    ($($(#$kind:ident)? $name:literal $($field:ident).+ : $doc:literal;)*) => {
        &[$(Key {
            name: $name,
            doc: $doc,
            secret: keys!(@secret $($kind)?),
            set: |target, raw| {
                target.$($field).+ = Setting::read(raw)?;
                Ok(())
            },
            show: |target| target.$($field).+.write(),
        }),*]
    };
    (@secret) => { false };
    (@secret secret) => { true };
}

/// All sections, in the order in which the example shows them.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        name: "server",
        doc: "The server as a program.",
        keys: keys! {
            "data_dir" data_dir: "The folder for the master key, and for database and mails unless they are elsewhere.\nMade at the first start, readable by its owner alone. Back it up: without the master key\nnobody's authenticator app works any more.";
            "user" user: "The user to run as when root starts it, be it the server or a command: root opens the ports, and\nis given up before any other file is opened. Certificates, the files of secrets and this file must be\nreadable by that user. Empty: nothing changes.";
            "shutdown_grace" shutdown_grace: "How long running requests may take to end when the server is asked to stop, or to make room for\nanother that is started on SIGHUP.";
        },
    },
    Section {
        name: "site",
        doc: "Names and addresses that people see.",
        keys: keys! {
            "domain" site.domain: "People sign in at accounts.DOMAIN; administrators work at directory.DOMAIN.";
            "org_name" site.org_name: "What the organisation is called on every page and in every mail.";
            "accounts_url" site.accounts_url: "Where people sign in, as browsers see it; also the issuer of tokens. Empty: with [https]\n\"https://accounts.DOMAIN\" with its port, without it for localhost \"http://accounts.localhost\" with\nthe port of [http] listen, else \"https://accounts.DOMAIN\".";
            "directory_url" site.directory_url: "Where administrators work, as browsers see it. Empty: likewise, with directory.DOMAIN.";
        },
    },
    Section {
        name: "directory",
        doc: "The directory that LDAP shows.",
        keys: keys! {
            "base_dn" base_dn: "The base DN. Empty: made from the domain, so that example.org gives dc=example,dc=org.";
        },
    },
    Section {
        name: "posix",
        doc: "What people and groups are on systems that people log in to (SSSD, nslcd).",
        keys: keys! {
            "first" posix.first: "The first uidNumber and gidNumber that is given. Numbers count up and are never given twice.";
            "last" posix.last: "The last one. When all are given, new accounts and groups have none, and the log says so;\nthey get one at a start after this was raised.";
            "shell" posix.defaults.shell: "The loginShell of people who have none of their own.";
            "home" posix.defaults.home: "The homeDirectory of people who have none of their own; {username} stands for the user name.";
        },
    },
    Section {
        name: "database",
        doc: "Where everything is remembered.",
        keys: keys! {
            #secret "url" database: "\"sqlite:PATH\" or \"postgres://USER:PASSWORD@HOST:PORT/NAME\".\nEmpty: the file ostiary.db in the data folder.";
        },
    },
    Section {
        name: "cache",
        doc: "Copies for speed, and counters. Nothing is lost with it.",
        keys: keys! {
            #secret "url" cache: "\"memory:\", or \"redis://USER:PASSWORD@HOST:PORT/DATABASE\" when several servers share a database.";
        },
    },
    Section {
        name: "http",
        doc: "Plain HTTP. With [https] it only sends browsers on to HTTPS: give it port 80 then. Without,\nit has the pages and OpenID Connect: put a reverse proxy with TLS in front of anything that is\nnot on this machine.",
        keys: keys! {
            "listen" http.listen: "One address with a port, or a list of them.";
            "trusted_proxies" http.trusted_proxies: "Reverse proxies whose X-Forwarded-For is believed: addresses or ranges such as \"10.0.0.0/8\".\nWithout it everybody behind a proxy counts as one address.";
            "proxy_protocol_from" http.proxy_protocol_from: "Proxies whose connections begin with a header of the PROXY protocol (HAProxy's, version 1 or 2),\nhere and at [https] alike: addresses or ranges. Their connections without one are closed, and it\nis read from nobody else. The address in it is the client's in every respect.";
            "max_connections" http.max_connections: "Connections at once. When there are more, those give way that come from the address with the most.";
            "max_connections_per_address" http.max_connections_per_address: "Connections at once from one address (IPv6: one /64) that is no proxy of those above; further\nones are closed. Behind the PROXY protocol this holds for each client.";
            "idle_timeout" http.limits.idle: "How long a connection may bring no whole request, or take nothing of an answer.";
            "request_timeout" http.limits.request: "How long one request may take.";
        },
    },
    Section {
        name: "https",
        doc: "The pages and OpenID Connect over HTTPS (TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2). Limits are those\nof [http]. LDAP uses the same certificates, unless it has its own.",
        keys: keys! {
            "mode" https.mode: "Where certificates come from. \"off\": there is no HTTPS. \"files\": from certificate_file and key_file.\n\"acme\": from Let's Encrypt or others, see [acme]; they renew themselves. \"internal\": Ostiary makes\nthem itself, for networks that no authority reaches; have every machine trust the root that the\nstart and \"ostiary ca show\" name.";
            "listen" https.listen: "One address with a port, or a list of them.";
            "certificate_file" https.certificate_file: "The certificate and those of its issuers, in a PEM file that Ostiary's user can read. It must be\nfor both hosts. A new one in its place is taken up at once; from three weeks before the end\nthe log says so once a day.";
            "key_file" https.key_file: "Its private key, in a PEM file, not encrypted.";
        },
    },
    Section {
        name: "acme",
        doc: "Certificates from authorities, for [https] mode = \"acme\". Both hosts must lead to this machine\nfrom the internet, with port 443 for tls-alpn-01 or port 80 ([http] listen) for http-01. By\nordering you agree to the authority's terms of service.",
        keys: keys! {
            "directory" acme.directory: "The directory of the authority, or a list of them: the first that gives a certificate is good.";
            "email" acme.email: "Where the authority may write to. Empty: nowhere.";
            "challenges" acme.challenges: "How hosts are proved to be yours, in the order in which it is tried.";
            "profile" acme.profile: "Which of the authority's profiles is wanted, such as \"shortlived\". Empty: its usual one.";
            "eab_key_id" acme.eab_key_id: "An account that you have with the authority already (external account binding): the id of its\nkey. Empty: none is needed.";
            #secret "eab_mac_key" acme.eab_mac_key: "The key itself, in base64url.";
            "eab_directory" acme.eab_directory: "Which of several authorities that account is with. Empty: the first one.";
            "dns_server" acme.dns_server: "For dns-01: the name server that takes updates of the zone (RFC 2136), such as\n\"ns1.example.org:53\". Empty: none.";
            "dns_key_name" acme.dns_key_name: "By which key these are signed (TSIG, hmac-sha256): its name. Empty: they are not signed.";
            #secret "dns_key" acme.dns_key: "The key itself, in base64.";
            "dns_hook" acme.dns_hook: "For dns-01, instead of a name server: a command that is called as COMMAND present NAME VALUE and\nCOMMAND cleanup NAME VALUE.";
            "ca_file" acme.ca_file: "Whom to trust as the authority's server besides the public ones, in a PEM file: for an\nauthority of your own.";
        },
    },
    Section {
        name: "ldap",
        doc: "LDAP, in plain text with StartTLS, and over TLS (LDAPS).",
        keys: keys! {
            "listen" ldap.listen: "Plain LDAP: one address with a port, or a list of them. With a certificate it offers StartTLS.\nEmpty: none.";
            "allow_from" ldap.allow_from: "Who may connect to it: addresses or ranges such as \"10.0.0.0/8\". Empty: everybody.";
            "clear_text_from" ldap.limits.clear_text_from: "Where passwords may come from without TLS. Elsewhere clients must use StartTLS or LDAPS.";
            "tls_listen" ldap.tls_listen: "LDAPS: likewise, such as \"0.0.0.0:636\". Needs a certificate. Empty: none.";
            "tls_allow_from" ldap.tls_allow_from: "Who may connect to it. Empty: everybody.";
            "certificate_file" ldap.certificate_file: "The certificate and those of its issuers, in a PEM file that Ostiary's user can read. A new one\nin its place is taken up at once; from three weeks before the end the log says so once a day.";
            "key_file" ldap.key_file: "Its private key, in a PEM file, not encrypted.";
            "bind_password" ldap.bind_password: "Whose own password is taken over LDAP. \"one_factor\": of those who have no authenticator app, and\nof service accounts; everybody else makes app passwords on the account page, one for each\nprogram. \"any\": everybody's, and then a password alone is enough to read over LDAP for those,\ntoo, who sign in with two steps; with it they write nothing, whatever their groups.\nApp passwords read as anybody without rights and write nothing, whatever their owner may do; a\nprogram that writes binds as a service account in the group that it needs, such as lldap_admin.";
            "max_connections" ldap.max_connections: "Connections at once. When there are more, those give way that come from the address with the\nmost and have not signed in.";
            "max_connections_per_address" ldap.max_connections_per_address: "Connections at once from one address (IPv6: one /64); further ones are closed.";
            "idle_timeout" ldap.limits.idle_bound: "How long a connection may say nothing.";
            "idle_timeout_unbound" ldap.limits.idle_unbound: "How long it may say nothing before a bind.";
            "transfer_timeout" ldap.limits.transfer: "How long one request may take to come in, and one answer to be taken.";
            "max_message_size" ldap.limits.max_message_bound: "Bytes of one request.";
            "max_message_size_unbound" ldap.limits.max_message_unbound: "Bytes of one request before a bind.";
        },
    },
    Section {
        name: "mail",
        doc: "How notices leave.",
        keys: keys! {
            #secret "url" mail.route: "\"folder:PATH\" writes each mail as a file. \"smtps://USER:PASSWORD@HOST\" sends through a server;\n\"smtp://USER:PASSWORD@HOST:587?tls=required\" does so with STARTTLS. Empty: the folder mail in\nthe data folder.";
            "from" mail.from: "The sender's address. Empty: ostiary@DOMAIN.";
        },
    },
    Section {
        name: "sign_in",
        doc: "The cost of password hashes (Argon2id). Stored hashes of another cost are renewed at the\nnext sign-in.",
        keys: keys! {
            "hash_memory" hash.memory_kib: "Memory in KiB.";
            "hash_iterations" hash.iterations: "Passes over it.";
            "hash_parallelism" hash.parallelism: "Lanes.";
        },
    },
    Section {
        name: "lockout",
        doc: "When guessing passwords or codes is held back. Failures count from the first one on, for the\nlength of the window.",
        keys: keys! {
            "per_account_and_address" lockout.per_account_and_address: "Failures for one account from one address.";
            "per_account" lockout.per_account: "Failures for one account from anywhere.";
            "per_address" lockout.per_address: "Failures from one address (IPv6: one /64) for any account.";
            "window" lockout.window: "How long failures count, and so how long a pause lasts at most.";
            "shared_addresses" lockout.shared_addresses: "Addresses or ranges that many people come from, such as an application that binds over LDAP as\nits users. There is no count for the address there.";
        },
    },
    Section {
        name: "session",
        doc: "How long a sign-in lasts.",
        keys: keys! {
            "lifetime" session.lifetime: "At most.";
            "idle" session.idle: "Without any use.";
            "remembered" session.remembered: "At most, with \"Keep me signed in\"; then it does not end by disuse.";
        },
    },
    Section {
        name: "password_policy",
        doc: "What a new password must be.",
        keys: keys! {
            "min_length" password_policy.min_length: "Characters at least; 8 or more.";
        },
    },
    Section {
        name: "tokens",
        doc: "How long what applications hold lasts.",
        keys: keys! {
            "grant" tokens.grant: "From the click on an application's sign-in button to the end of the sign-in.";
            "code" tokens.code: "An authorization code.";
            "access_token" tokens.access_token: "An access token.";
            "id_token" tokens.id_token: "An ID token.";
            "refresh_idle" tokens.refresh_idle: "A refresh token without any use.";
            "refresh_lifetime" tokens.refresh_lifetime: "All refresh tokens of one sign-in together.";
            "refresh_grace" tokens.refresh_grace: "How long a refresh token that was just used gets the same answer again.";
        },
    },
    Section {
        name: "metrics",
        doc: "Figures for Prometheus, at /metrics: certificates with their dates, database, cache, connections.",
        keys: keys! {
            "listen" metrics.listen: "Plain HTTP, for programs of the house: one address with a port such as \"127.0.0.1:9959\", or a\nlist of them. Empty: none.";
        },
    },
    Section {
        name: "log",
        doc: "The log, on standard error.",
        keys: keys! {
            "level" log.level: "\"error\", \"warn\", \"info\", \"debug\" or \"trace\".";
            "format" log.format: "\"text\" for people or \"json\" for programs.";
        },
    },
];

/// The keys of one `[[clients]]` entry.
pub(crate) const CLIENT_KEYS: &[Key<ClientConfig>] = keys! {
    "id" id: "What the application calls itself: letters, digits and - . _ ~";
    "name" name: "What people read when they sign in to it.";
    #secret "secret" secret: "Its secret, 32 characters or more, or \"sha256:\" and the hash of it in hexadecimal digits. Left\nout for a public client.";
    "public" public: "Whether it cannot keep a secret, such as a program on somebody's own machine.";
    "redirect_uris" redirect_uris: "Where it is answered, exactly as it asks.";
    "policy" policy: "\"one_factor\" or \"two_factor\": what people must have proved.";
    "scopes" scopes: "What it may ask for. Empty: openid, profile, email, groups and offline_access.";
    "claims_in_id_token" claims_in_id_token: "Whether name, address and groups stand in the ID token as well.";
    "consent_remember" consent_remember: "How long a person's consent is remembered, or \"never\".";
};

/// The keys of one `[[sites]]` entry.
pub(crate) const SITE_KEYS: &[Key<SiteEntry>] = keys! {
    "host" host: "Its host name, which is none of Ostiary's own.";
    "upstream" upstream: "Where the service answers, in plain HTTP: host and port. It is told by X-Forwarded-For,\nX-Forwarded-Proto and X-Forwarded-Host where a request comes from.";
};
