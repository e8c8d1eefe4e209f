//! What the two ports may hold, in one place. The memory of the process is planned from these.

use std::time::Duration;

/// Connections of the webhook port at once, where no setting says otherwise.
pub const CONNECTIONS: usize = 1024;
/// Connections of the admin port at once.
pub const ADMIN_CONNECTIONS: usize = 64;
/// Largest header of a request: the read buffer of a connection, of either port.
pub const HEADER_BYTES: usize = 16 << 10;
/// What rustls holds of one connection at most: one record that has not arrived completely, one that has not been sent.
pub const TLS_BYTES: usize = 2 * (18 << 10);
/// The most that a connection of the webhook port holds besides the body of its review: header, TLS, and 8 KiB for the state of its task.
pub const CONNECTION_BYTES: usize = HEADER_BYTES + TLS_BYTES + (8 << 10);
/// Largest review. A stored pod of 1.4 MiB makes an UPDATE review of 17 MiB.
pub const REVIEW_BYTES: usize = 24 << 20;
/// Reviews up to this size never wait for room that larger ones hold.
pub const SMALL_REVIEW_BYTES: usize = 1 << 20;
/// Bytes of reviews that are held at once, where no setting says otherwise.
pub const REVIEWS_BYTES: usize = 32 << 20;
/// Least bytes of a body, or its end, in each [`BODY_WINDOW`]: 16 KiB a second.
pub const BODY_WINDOW_BYTES: usize = 32 << 10;
/// How long a body may take for [`BODY_WINDOW_BYTES`].
pub const BODY_WINDOW: Duration = Duration::from_secs(2);
/// Reviews a second that one peer may begin while reviews of others are being answered. Two webhooks a pod: 100 pods a second.
pub const PEER_RATE: u32 = 200;
/// Reviews that it may begin at once.
pub const PEER_BURST: u32 = 1000;
/// Peers whose rate is kept.
pub const PEERS: usize = 4096;
