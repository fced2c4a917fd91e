//! The HTTP client of the backend, and what its failures mean for an effect.

use serde::de::DeserializeOwned;
use std::time::Duration;

/// Talks to the backend.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
}

/// Why the backend gave no answer that helps.
#[derive(Debug)]
pub(super) enum Failure {
    /// It does not know the target.
    NotFound,
    /// It refuses the credential.
    Refused,
    /// It was never reached: nothing happened.
    Unreachable(reqwest::Error),
    /// It was reached and then failed: what happened is not known.
    Lost(String),
}

impl Client {
    /// The client of the backend at `SOC_BACKEND_URL`.
    pub(super) fn from_env() -> Result<Self, String> {
        let url = std::env::var("SOC_BACKEND_URL").map_err(|_| "SOC_BACKEND_URL is not set".to_owned())?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Client { http, url })
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        token: &str,
    ) -> Result<T, Failure> {
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let url = format!("{}{path}?{}", self.url, query.join("&"));
        answer(self.http.get(url).bearer_auth(token).send().await).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, token: &str) -> Result<T, Failure> {
        answer(self.http.post(format!("{}{path}", self.url)).bearer_auth(token).send().await).await
    }
}

async fn answer<T: DeserializeOwned>(sent: Result<reqwest::Response, reqwest::Error>) -> Result<T, Failure> {
    let response = match sent {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Err(Failure::Unreachable(error)),
        Err(error) => return Err(Failure::Lost(error.to_string())),
    };
    match response.status().as_u16() {
        200 => response.json().await.map_err(|error| Failure::Lost(error.to_string())),
        404 => Err(Failure::NotFound),
        401 | 403 => Err(Failure::Refused),
        other => Err(Failure::Lost(format!("status {other}"))),
    }
}
