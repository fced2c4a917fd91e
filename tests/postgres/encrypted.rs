//! With `sslmode=require` nothing is said before the database has shown who it is.

use std::process::Stdio;

use safe_tool_examples::soc::connected::Connected;

use crate::database::Database;
use crate::servers::{command, said, strike};
use crate::witness::Witness;

#[tokio::test]
async fn the_certificate_is_checked_and_every_connection_is_encrypted() {
    let Some(database) = Database::over_tcp() else { return };
    let (url, witness) = (database.tcp_url("require"), Witness::start().await);
    // Whom this server trusts has not signed it.
    let mut command = command(&url, &witness);
    command.env("SSL_CERT_FILE", database.certificate("server"));
    let refused = command.stdin(Stdio::null()).output().await.unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.contains("certificate"), "{told}");

    command.env("SSL_CERT_FILE", database.certificate("authority"));
    let server = Connected::start(command).await.unwrap();
    assert_eq!(said(&strike(&server, "t-1").await.unwrap().unwrap()), "ok");
    let connections =
        "SELECT count(*), count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE client_port > 0";
    let told = database.ask(connections).await;
    let (all, clear): (i64, i64) = (told[0].get(0), told[0].get(1));
    assert!(all >= 2, "one that writes, and one that looks up");
    assert_eq!(clear, 0);
}
