//! What the two ports may hold, and how long they wait, in one place. The memory of the process is planned from these.

use std::time::Duration;

/// Connections of the webhook port at once, where no setting says otherwise.
pub const CONNECTIONS: usize = 320;
/// Connections of the admin port at once.
pub const ADMIN_CONNECTIONS: usize = 64;
/// Largest header of a request: the read buffer of a connection, of either port.
pub const HEADER_BYTES: usize = 8 << 10;
/// What is encrypted ahead of a peer that reads slowly.
pub const TLS_SEND_BYTES: usize = 4 << 10;
/// What rustls holds of one connection at most: one record that has not arrived completely, and what has not been sent.
pub const TLS_BYTES: usize = (18 << 10) + TLS_SEND_BYTES + (1 << 10);
/// What the state of a connection's task takes.
const TASK_BYTES: usize = 8 << 10;
/// The most that a connection of the webhook port holds besides the body of its review.
pub const CONNECTION_BYTES: usize = HEADER_BYTES + TLS_BYTES + TASK_BYTES;
/// The most that a connection of the admin port holds.
pub const ADMIN_CONNECTION_BYTES: usize = HEADER_BYTES + TASK_BYTES;
/// Largest review. A stored pod of 1.5 MiB, the most that etcd takes, makes an UPDATE review of 18 MiB where each character is escaped.
pub const REVIEW_BYTES: usize = 24 << 20;
/// Reviews up to this size never wait for room that larger ones hold.
pub const SMALL_REVIEW_BYTES: usize = 1 << 20;
/// Bytes of reviews that are held at once, where no setting says otherwise.
pub const REVIEWS_BYTES: usize = 32 << 20;

/// For a TLS handshake, from the moment that the connection is there.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(4);
/// From the first byte of a header, or from the start of the connection, to its last byte.
pub const HEADER_TIME: Duration = Duration::from_secs(5);
/// For a whole body to arrive. Waiting for room does not count.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// Least bytes of a body, or its end, in each [`BODY_WINDOW`]: 16 KiB a second.
pub const BODY_WINDOW_BYTES: usize = 32 << 10;
/// How long a body may take for [`BODY_WINDOW_BYTES`].
pub const BODY_WINDOW: Duration = Duration::from_secs(2);
/// For the peer to take some bytes of an answer.
pub const WRITE_TIME: Duration = Duration::from_secs(10);
/// Between two requests. Longer than the 90 s after which the API server's client closes.
pub const IDLE_TIME: Duration = Duration::from_mins(2);
/// Requests after which a connection is closed, so that load spreads over replicas.
pub const CONNECTION_REQUESTS: u32 = 1000;
/// Age after which a connection is closed.
pub const CONNECTION_AGE: Duration = Duration::from_mins(5);

/// Reviews a second that one peer may begin while reviews of others are being answered. Two webhooks a pod: 100 pods a second.
pub const PEER_RATE: u32 = 200;
/// Reviews that it may begin at once.
pub const PEER_BURST: u32 = 1000;
/// Peers whose rate is kept.
pub const PEERS: usize = 4096;
