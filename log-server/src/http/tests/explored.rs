//! The pages of the explorer: what they hold, what they never hold, and that they stay small.

use std::collections::BTreeSet;

use super::*;

const HOSTILE: &str = "\"><img src=x onerror=alert(1)><script>alert('1')</script>&amp;";

impl Server {
    async fn page(&self, path: &str) -> Answer {
        self.send(Request::get(path).header("accept", "text/html,*/*;q=0.8").body(Body::empty()).unwrap()).await
    }
}

/// What a page may say of an element.
const ATTRIBUTES: [&str; 29] = [
    "action",
    "aria-current",
    "aria-hidden",
    "aria-label",
    "autocomplete",
    "charset",
    "class",
    "content",
    "d",
    "data-label",
    "datetime",
    "defer",
    "focusable",
    "for",
    "href",
    "id",
    "lang",
    "maxlength",
    "name",
    "placeholder",
    "preserveAspectRatio",
    "rel",
    "role",
    "scope",
    "spellcheck",
    "src",
    "tabindex",
    "type",
    "viewBox",
];

/// The elements of a page as they begin, without their brackets.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).filter_map(|rest| rest.split('>').next()).filter(|tag| !tag.starts_with(['/', '!']))
}

/// Names and values of the attributes of an element.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = tag.split_once(' ').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, next) = after.split_once('"').unwrap();
        found.push((name, value));
        rest = next.trim_start();
    }
    found
}

/// Links of a page, entities read.
fn links(html: &str) -> Vec<String> {
    let after = html.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    after.map(|link| link.replace("&amp;", "&").replace("&#39;", "'")).collect()
}

/// Where a link of a page leads.
fn joined(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('?').next().unwrap().split('/').collect();
    parts.pop();
    let mut rest = link;
    loop {
        if let Some(after) = rest.strip_prefix("../") {
            parts.pop();
            rest = after;
        } else if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else {
            break;
        }
    }
    format!("{}/{rest}", parts.join("/"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_and_every_link_on_it_is_there_and_brings_nothing_from_elsewhere() {
    // [S-48]
    let server = server(Setting::default()).await;
    let (_, accesses) = server.gateway(2).await;
    let mut supervised = Actor::new("operator", 40).after(&server.charter);
    let erasure = supervised.erasure(&[&accesses[0]], &server.supervisor);
    assert_eq!(server.submit(&erasure).await.status, 201);
    let mut farm = server.farm().await;
    let hostile = format!("pkg:generic/{HOSTILE}@1");
    for build in [farm.build(1), farm.build_of(2, &hostile, HOSTILE)] {
        assert_eq!(server.submit(&build).await.status, 201);
    }
    let mut seen = BTreeSet::new();
    let mut next = vec!["/".to_owned(), format!("/explore/find?q={}", "a".repeat(64))];
    while let Some(path) = next.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        assert!(seen.len() < 200, "{seen:?}");
        let answer = server.page(&path).await;
        let status = answer.status.as_u16();
        assert!(status == 200 || status == 303, "{path}: {status} {}", answer.text_lossy());
        if answer.header("content-type") != "text/html; charset=utf-8" {
            continue;
        }
        if status == 303 {
            next.push(joined(&path, answer.header("location")));
            continue;
        }
        let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; \
            base-uri 'none'; frame-ancestors 'none'";
        assert_eq!(answer.header("content-security-policy"), policy, "{path}");
        assert_eq!((answer.header("x-content-type-options"), answer.header("vary")), ("nosniff", "accept"), "{path}");
        let html = answer.text();
        for tag in tags(&html) {
            for (name, value) in attributes(tag) {
                assert!(ATTRIBUTES.contains(&name), "{path}: the attribute {name} of {tag}");
                let inside = value.starts_with(['.', '#']) && !value.contains("//");
                assert!(!["href", "src", "action"].contains(&name) || inside, "{path}: {tag} leads elsewhere");
            }
            assert!(!["img", "script>", "iframe", "style"].iter().any(|never| tag.starts_with(never)), "{path}: {tag}");
        }
        assert_eq!(html.matches("<h1").count(), 1, "{path}: one heading above all");
        assert!(html.contains("<html lang=\"en\">") && html.contains("<main id=\"main\""), "{path}");
        assert!(html.len() < 200_000, "{path} has {} bytes", html.len());
        for link in links(&html).into_iter().filter(|link| !link.starts_with('#')) {
            next.push(joined(&path, &link));
        }
    }
    for part in
        ["/explore/events/0", "/explore/products", "/explore/issuers/farm", "/explore/witnesses", "/openapi.json"]
    {
        assert!(seen.iter().any(|path| path == part), "{part} is linked from nowhere: {seen:?}");
    }
    let product = seen.iter().find(|path| path.contains("purl=") && path.contains("script")).unwrap();
    assert!(server.page(product).await.text().contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_an_event_holds_its_proof_and_of_a_sealed_one_nothing_more() {
    // [S-48] [S-49]
    let server = server(Setting::default()).await;
    let (_, accesses) = server.gateway(1).await;
    let page = server.page("/explore/events/3").await.text();
    let between = |from: &str| {
        let text = page.split(from).nth(1).unwrap().split("</pre>").next().unwrap();
        text.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&amp;", "&")
    };
    let proof = server.get("/events/3.tlog-proof").await;
    assert_eq!(between("<pre id=\"proof\">").as_bytes(), proof.body);
    let (index, leaf) = server.verify(between("<pre id=\"proof\">").as_bytes());
    assert_eq!(index.get(), 3);
    let envelope = vitrine_spec::envelope::Envelope::parse_leaf(&leaf).unwrap();
    assert_eq!(between("<pre id=\"payload\">").as_bytes(), envelope.payload);
    assert!(page.contains(&format!("<code id=\"event-id\">{}</code>", envelope.id())), "{page}");
    assert!(page.contains("Not verified by this page"), "what stands there before a script has run");
    assert!(page.contains(&format!("<li class=\"key\">{}", server.keys.log_vkeys()[0])), "{page}");
    let record = accesses[0]["sealed"].as_str().unwrap();
    assert!(record.len() > 1_000 && !page.contains(&record[..40]), "the record is no part of the page");
    assert!(page.contains("Sealed: who, what and why open to the charter’s readers alone"), "{page}");

    let mut operator = Actor::new("operator", 40).after(&server.charter);
    assert_eq!(server.submit(&operator.erasure(&[&accesses[0]], &server.supervisor)).await.status, 201);
    let page = server.page("/explore/events/3").await.text();
    assert!(page.contains("<b>Erased.</b>") && page.contains("events/4\">entry 4</a>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_with_more_versions_than_a_page_holds_is_shown_page_by_page() {
    // [S-48]
    let server = server(Setting::default()).await;
    let mut farm = server.farm().await;
    let versions = crate::limits::LOOKUP_HITS_MAX as u64 + 100;
    let purls = |number: u64| match number {
        0 => "pkg:generic/many-more@1".to_owned(),
        1 => "pkg:generic/many/inside@1".to_owned(),
        2 => "pkg:npm/@scope/many@1".to_owned(),
        3..=30 => format!("pkg:generic/few@{number}"),
        number => format!("pkg:generic/many@{number}"),
    };
    let lines: Vec<String> =
        (0..versions + 31).map(|number| farm.build_of(number, &purls(number), "file").to_string()).collect();
    assert_eq!(server.submit_lines(&lines).await.len(), lines.len() + 1);
    server.published(2 + lines.len() as u64).await; // on a busy machine some lines are answered before they are published
    let products = server.page("/explore/products").await.text();
    for name in ["few", "many", "many-more", "many/inside"] {
        let shown = format!(">pkg:generic/{name}</a>");
        assert_eq!(products.matches(&shown).count(), 1, "{shown} in\n{products}");
    }
    assert!(products.contains(">pkg:npm/@scope/many</a>") && products.contains("more than 100 events"), "{products}");

    for (name, count) in [("few", 28), ("many", versions)] {
        let mut path = format!("/explore/product?purl=pkg%3Ageneric%2F{name}");
        let (mut seen, mut pages) = (BTreeSet::new(), 0);
        loop {
            let html = server.page(&path).await.text();
            pages += 1;
            assert!(html.len() < 100_000, "{path}: {} bytes", html.len());
            for version in html.split("<article class=\"version\">\n<h2>").skip(1) {
                let version = version.split(['<', ' ']).next().unwrap().to_owned();
                assert!(seen.insert(version.clone()), "{name} {version} twice");
            }
            let more = html.split("<a href=\"").skip(1).find(|link| link.contains(">More versions<"));
            let Some(more) = more else { break };
            path = joined(&path, &more.split('"').next().unwrap().replace("&amp;", "&"));
        }
        assert_eq!((seen.len() as u64, pages), (count, count.div_ceil(20)), "{name}");
    }
    // The list of entries, too.
    let mut path = "/explore/entries".to_owned();
    let mut rows = 0;
    loop {
        let html = server.page(&path).await.text();
        rows += html.matches("<li class=\"row\">").count();
        let older = html.split("<a href=\"").skip(1).find(|link| link.contains(">Older entries<"));
        let Some(older) = older else { break };
        path = joined(&path, older.split('"').next().unwrap());
    }
    assert_eq!(rows as u64, server.view.published().size.get());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_path_is_a_page_for_a_browser_and_text_for_curl() {
    let server = server(Setting::default()).await;
    server.published(1).await;
    let text = server.get("/").await;
    assert_eq!((text.header("content-type"), text.header("vary")), ("text/plain; charset=utf-8", "accept"));
    assert!(
        text.text().starts_with(&format!("Vitrine transparency log {ORIGIN}\npublished size 1,")),
        "{}",
        text.text()
    );
    assert!(text.text().contains("/explore/events/{index}\n"), "{}", text.text());
    let page = server.page("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let charter = server.get("/charter").await.json();
    for words in
        [charter["fingerprint"].as_str().unwrap(), ">w0.example<", "<small>of 2 witnesses</small>", "<svg viewBox"]
    {
        assert!(page.text().contains(words), "{words} is not in\n{}", page.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_on_a_page_and_what_is_meant_is_found() {
    let server = server(Setting::default()).await;
    let mut farm = server.farm().await;
    assert_eq!(server.submit(&farm.build(7)).await.status, 201);
    for (path, status) in [
        ("/explore/events/3", 404),
        ("/explore/events/x", 404),
        ("/explore/issuers/nobody", 404),
        ("/explore/product?purl=pkg:generic/none", 404),
        ("/explore/entries?before=x", 400),
    ] {
        let answer = server.page(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (status, "text/html; charset=utf-8"),
            "{path}"
        );
        assert!(answer.text().contains("<h1>"), "{path}");
    }
    let digest = Hash::of(&7u64.to_be_bytes()).hex();
    for (asked, location) in [
        ("2", "../explore/events/2"),
        ("%232", "../explore/events/2"),
        ("farm", "../explore/issuers/farm"),
        ("pkg:generic/product@7", "../explore/product?purl=pkg%3Ageneric%2Fproduct"),
    ] {
        let answer = server.page(&format!("/explore/find?q={asked}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, location), "{asked}");
    }
    let found = server.page(&format!("/explore/find?q=%20{digest}")).await.text();
    assert!(found.contains("1 entry for") && found.contains("events/2\">"), "{found}");
    assert!(server.page("/explore/find?q=nothing").await.text().contains("Nothing is logged of"));
    assert!(server.page("/explore/issuers/farm").await.text().contains("build (in no chain)"));
    assert!(server.page("/explore/product?purl=pkg:generic/product").await.text().contains("not released"));
}
