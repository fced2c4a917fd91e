//! The warning about asynchronous standbys, logged once for every connection, before a failover loses anything.

use tokio_postgres::Client;

/// The columns are empty for a role that may not see them; then there is no warning.
const STANDBYS: &str = "
    SELECT count(sync_state), count(sync_state) FILTER (WHERE sync_state IN ('sync', 'quorum')),
        current_setting('synchronous_commit')
    FROM pg_stat_replication WHERE state = 'streaming'";

/// Warns when the database has standbys and a commit waits for none of them.
pub(super) async fn warn(client: &Client) {
    let Ok(row) = client.query_one(STANDBYS, &[]).await else { return };
    let (standbys, synchronous, commit): (i64, i64, &str) = (row.get(0), row.get(1), row.get(2));
    let waits = synchronous > 0 && commit != "local";
    if standbys > 0 && !waits {
        tracing::warn!(
            standbys,
            synchronous_commit = commit,
            "the ledger's database has standbys and waits for none of them: a failover may lose acknowledged actions, which \
             stops this server. Name them in synchronous_standby_names, with synchronous_commit = on"
        );
    }
}
