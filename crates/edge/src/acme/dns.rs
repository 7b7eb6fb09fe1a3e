//! Proof by DNS (RFC 8555 section 8.4): a text is put beside a name and taken back afterwards,
//! by an update of the zone (RFC 2136) that is signed (RFC 8945), or by a command.
//!
//! Leaves out waiting until all servers of a zone know: whoever orders gives them time.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use hickory_proto::op::update_message::{append, delete_by_rdata};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, RData, Record, RecordSet, RecordType, TSigner};
use ostiary_model::Timestamp;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::settings::SettingError;

/// How long one question to a name server may take.
const TO_ANSWER: Duration = Duration::from_secs(10);
/// How long the command may take.
const TO_RUN: Duration = Duration::from_secs(120);
/// How long others may remember the text, in seconds.
const TTL: u32 = 60;
/// Clocks of both sides may differ by so many seconds (RFC 8945 section 10).
const FUDGE: u16 = 300;
/// So many names are followed to where the text is to stand.
const MAX_ALIASES: usize = 8;
/// What the command finds programs by. It gets nothing else of our environment: there are secrets
/// in it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// By which way texts come into the DNS.
#[derive(Clone)]
pub enum Dns {
    /// By updates of the zone (RFC 2136).
    Update {
        /// The name server that takes them, as `host:port`.
        server: String,
        /// By which they are signed (HMAC-SHA-256); `None` where the server goes by addresses.
        key: Option<DnsKey>,
    },
    /// By a command. It is called as `COMMAND present NAME VALUE` and `COMMAND cleanup NAME VALUE`;
    /// the name ends with a dot.
    Command(PathBuf),
}

/// A key that is shared with a name server.
#[derive(Clone)]
pub struct DnsKey {
    /// Its name.
    pub name: String,
    /// The key itself, decoded.
    pub secret: Zeroizing<Vec<u8>>,
}

/// A text that stands beside a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// Of the record, without a dot at its end.
    pub(super) name: String,
    pub(super) value: String,
}

/// Why a text did not come into the DNS, or out of it.
#[derive(Debug, Error)]
pub(super) enum DnsError {
    #[error("the name server {0} cannot be reached: {1}")]
    Unreachable(String, std::io::Error),
    #[error("the name server {0} did not answer in time")]
    TooSlow(String),
    #[error("the name server refuses: {0}")]
    Refused(ResponseCode),
    #[error("the name server knows no zone for {0}")]
    NoZone(Name),
    #[error("the name server's answer cannot be used: {0}")]
    Unusable(String),
    #[error("the command {0} {1}")]
    Command(String, String),
}

fn unusable(error: &impl ToString) -> DnsError {
    DnsError::Unusable(error.to_string())
}

impl Dns {
    /// Whether the settings can be used.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        let Self::Update { server, key } = self else { return Ok(()) };
        if server.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
            let what = format!("is {server:?}; allowed is host:port, such as ns1.example.org:53");
            return Err(SettingError { setting: "dns_server", what });
        }
        if key.as_ref().is_some_and(|key| key.signer().is_err()) {
            let what = "is no name such as acme-key".to_owned();
            return Err(SettingError { setting: "dns_key_name", what });
        }
        Ok(())
    }

    /// What makes it another way.
    pub(super) fn parts(&self) -> Vec<&[u8]> {
        match self {
            Self::Update { server, key } => {
                let key = key.iter().flat_map(|key| [key.name.as_bytes(), &key.secret]);
                [b"update", server.as_bytes()].into_iter().chain(key).collect()
            }
            Self::Command(path) => vec![b"command", path.as_os_str().as_encoded_bytes()],
        }
    }

    /// Puts `text` beside others that may be there.
    pub(super) async fn put(&self, text: &Text, now: Timestamp) -> Result<(), DnsError> {
        match self {
            Self::Update { server, key } => {
                let zone = Zone::of(server, key.as_ref(), text, now).await?;
                zone.change(append(zone.records(text), zone.name.clone(), false, false)).await
            }
            Self::Command(command) => run(command, "present", text).await,
        }
    }

    /// Takes `text` back, and no other.
    pub(super) async fn take_back(&self, text: &Text, now: Timestamp) -> Result<(), DnsError> {
        match self {
            Self::Update { server, key } => {
                let zone = Zone::of(server, key.as_ref(), text, now).await?;
                zone.change(delete_by_rdata(zone.records(text), zone.name.clone(), false)).await
            }
            Self::Command(command) => run(command, "cleanup", text).await,
        }
    }
}

impl DnsKey {
    fn signer(&self) -> Result<TSigner, DnsError> {
        let name = Name::from_ascii(&self.name).map_err(|error| unusable(&error))?;
        TSigner::new(self.secret.to_vec(), TsigAlgorithm::HmacSha256, name, FUDGE).map_err(|error| unusable(&error))
    }
}

async fn run(command: &PathBuf, verb: &str, text: &Text) -> Result<(), DnsError> {
    let refuse = |what: String| DnsError::Command(command.display().to_string(), what);
    let mut running = Command::new(command);
    running.args([verb, &format!("{}.", text.name), &text.value]).env_clear().env("PATH", PATH);
    running.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(TO_RUN, running.status()).await;
    match ended.map_err(|_| refuse("took too long".to_owned()))? {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(refuse(format!("failed to {verb} ({status})"))),
        Err(error) => Err(refuse(format!("cannot be run: {error}"))),
    }
}

/// A zone, and who changes it.
struct Zone<'a> {
    server: &'a str,
    signer: Option<TSigner>,
    now: Timestamp,
    name: Name,
    /// Where the text stands: aliases are followed.
    place: Name,
}

impl<'a> Zone<'a> {
    /// The zone in which `text` is to stand.
    async fn of(server: &'a str, key: Option<&DnsKey>, text: &Text, now: Timestamp) -> Result<Self, DnsError> {
        let mut place = Name::from_ascii(&text.name).map_err(|error| unusable(&error))?;
        place.set_fqdn(true);
        let signer = key.map(DnsKey::signer).transpose()?;
        let mut zone = Self { server, signer, now, name: Name::root(), place };
        for _ in 0..MAX_ALIASES {
            let mut question = Message::query();
            question.add_query(Query::query(zone.place.clone(), RecordType::SOA));
            let answer = zone.exchange(question).await?;
            let alias = answer.answers.iter().find_map(|record| match &record.data {
                RData::CNAME(target) if record.name == zone.place => Some(target.0.clone()),
                _ => None,
            });
            if let Some(target) = alias {
                zone.place = target;
                continue;
            }
            let is_soa = |record: &&Record| record.record_type() == RecordType::SOA && record.name.zone_of(&zone.place);
            let soa = answer.answers.iter().chain(&answer.authorities).find(is_soa);
            zone.name = soa.ok_or_else(|| DnsError::NoZone(zone.place.clone()))?.name.clone();
            return Ok(zone);
        }
        Err(DnsError::NoZone(zone.place))
    }

    fn records(&self, text: &Text) -> RecordSet {
        let value = RData::TXT(TXT::new(vec![text.value.clone()]));
        RecordSet::from(Record::from_rdata(self.place.clone(), TTL, value))
    }

    async fn change(&self, message: Message) -> Result<(), DnsError> {
        match self.exchange(message).await?.metadata.response_code {
            ResponseCode::NoError => Ok(()),
            code => Err(DnsError::Refused(code)),
        }
    }

    /// Asks, signed if there is a key, and believes what is signed likewise.
    async fn exchange(&self, mut message: Message) -> Result<Message, DnsError> {
        let seconds = u64::try_from(self.now.as_secs()).unwrap_or_default();
        let verifier = match &self.signer {
            Some(signer) => message.finalize(signer, seconds).map_err(|error| unusable(&error))?,
            None => None,
        };
        let bytes = message.to_vec().map_err(|error| unusable(&error))?;
        let asked = tokio::time::timeout(TO_ANSWER, over_tcp(self.server, &bytes)).await;
        let answer = asked
            .map_err(|_| DnsError::TooSlow(self.server.to_owned()))?
            .map_err(|error| DnsError::Unreachable(self.server.to_owned(), error))?;
        let read = Message::from_vec(&answer).map_err(|error| unusable(&error))?;
        if read.metadata.id != message.metadata.id {
            return Err(unusable(&"it is for another question"));
        }
        match read.metadata.response_code {
            // A name that is not there yet has a zone all the same.
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            // Who does not know our key cannot sign this either. Nothing is believed but a refusal.
            code => return Err(DnsError::Refused(code)),
        }
        if let Some(mut verifier) = verifier {
            verifier.verify(&answer).map_err(|error| unusable(&error))?;
        }
        Ok(read)
    }
}

/// A message and its answer, each after its length (RFC 1035 section 4.2.2).
async fn over_tcp(server: &str, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
