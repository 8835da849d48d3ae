//! One request over HTTP, as `curl` would send it.
//!
//! Not here: many at once, and what the answer should be.

/// Posts a body; the status and what was answered.
///
/// # Errors
/// When there is no answer.
pub fn post(url: &str, kind: &str, body: Vec<u8>) -> Result<(u16, String), String> {
    send(reqwest::Client::new().post(url).header("content-type", kind).body(body))
}

/// Gets a URL; the status and what was answered.
///
/// # Errors
/// When there is no answer.
pub fn get(url: &str) -> Result<(u16, String), String> {
    send(reqwest::Client::new().get(url))
}

fn send(request: reqwest::RequestBuilder) -> Result<(u16, String), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let answer = request.send().await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        answer.text().await.map(|words| (status, words)).map_err(|e| e.to_string())
    })
}
