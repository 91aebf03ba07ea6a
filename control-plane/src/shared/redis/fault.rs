//! What an error of Redis means: in plain words, and whether anything else could go right meanwhile.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Errors that any other command would meet too, by the first word of Redis' answer.
const GENERAL: [&str; 15] = [
    "OOM",
    "MISCONF",
    "NOAUTH",
    "WRONGPASS",
    "NOREPLICAS",
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "BUSY",
    "UNKILLABLE",
    "NOPERM",
];

/// Whether Redis as a whole cannot be used now, rather than this one command.
pub(super) fn is_general(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoScript) => false,
        ErrorKind::Server(_) | ErrorKind::Extension => {
            code(error).is_some_and(|code| GENERAL.contains(&code))
        }
        ErrorKind::UnexpectedReturnType => false,
        _ => true,
    }
}

/// What is wrong, for an operator.
pub(super) fn describe(error: &RedisError, response_timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("no answer in time ({} ms)", response_timeout.as_millis());
    }
    let told = match code(error) {
        Some("OOM") => "it is full (maxmemory is reached, and maxmemory-policy evicts nothing)",
        Some("MISCONF") => "it takes no writes, since it cannot save to its disk",
        Some("NOAUTH") => "it wants a password: set SALLYPORT_REDIS_PASSWORD, or secrets.redis_password",
        Some("WRONGPASS") => "it refuses the user or the password",
        Some("NOREPLICAS") => "it takes no writes, since too few of its replicas are connected",
        Some("LOADING") => "it is still loading its data",
        Some("READONLY") => "it is a read-only replica: let redis.url name the primary",
        Some("MASTERDOWN") => "it is a replica that has lost its primary",
        Some("CLUSTERDOWN") => "its cluster is down",
        Some("MOVED" | "ASK" | "TRYAGAIN") => {
            "it is one node of a cluster, and the key is on another: let redis.url name a proxy for the whole cluster"
        }
        Some("BUSY" | "UNKILLABLE") => "it is busy with somebody's script",
        Some("NOPERM") => {
            "the user is not allowed what is needed: EVALSHA, SCRIPT LOAD, reading and writing under \
            redis.prefix, and SUBSCRIBE and PUBLISH there"
        }
        _ => match error.kind() {
            ErrorKind::Parse => "it does not speak Redis' protocol",
            ErrorKind::AuthenticationFailed => {
                "it refuses the password: set SALLYPORT_REDIS_PASSWORD, or secrets.redis_password"
            }
            _ => return cut(&error.to_string()),
        },
    };
    told.to_owned()
}

/// The first word of an error that Redis answered.
fn code(error: &RedisError) -> Option<&str> {
    let code = error.code()?;
    // Errors within scripts may be wrapped: "ERR Error running script ...: -OOM command not allowed".
    let wrapped =
        || GENERAL.into_iter().find(|code| error.detail().is_some_and(|detail| detail.contains(code)));
    if code == "ERR" { wrapped().or(Some(code)) } else { Some(code) }
}

/// Whoever answers in Redis' place shall not fill the log.
pub(super) fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
