"""A log with verdicts, data rules and corrections, and what it refuses.

In the shape of the shared `leaves/log.json` and `leaves/refused.json`. Not here: who judges them.
"""

from log import KEYS, SEALS, START, Log, chance, charter, key, key_subject
from samples import WORKED
from sealed import b64, jcs, sha256

ORIGIN = "vitrine.example/releases"
NOW = START + 5

REPORT = b"what was tested, and how"
DOCUMENT = b"the rules, for people"
TYPES = "access build charter correction erasure heartbeat incident issuer-close issuer-open rules update verdict"


def named(name, digest, **more):
    return {"name": name, "digest": {"sha256": digest}, **more}


def attach(content, media_type):
    return lambda predicate: predicate.update(
        attachments=[{"sha256": sha256(content).hex(), "size": len(content), "media_type": media_type}]
    )


def changed(body, change):
    """A copy of a body; a member that becomes `...` is left out."""
    return {name: value for name, value in (body | change).items() if value is not ...}


VERDICT = {
    "result": "PASSED",
    "verifier": "https://office.example/verifier",
    "policy": {"uri": "https://office.example/policy/3", "sha256": "5a" * 32},
    "levels": ["SLSA_BUILD_LEVEL_2", "SLSA_SOURCE_LEVEL_1", "office-class-b"],
    "slsa_version": "1.1",
}
RULES = {
    "version": 1,
    "effective": "2018-11-13",
    "regions": [{"region": "EU", "countries": ["AT", "CH", "DE"], "sites": ["CH-ZH-1", "DE-FRA-2"]}],
    "exclusions": ["reads of published statistics", "checks of health by machines"],
    "retention": [{"category": "account", "days": 366}, {"category": "telemetry", "days": 730}],
    "lateness_s": 3600,
}
CORRECTION = {"reason": "mistake", "fields": [{"name": "invocation_id", "value": '"run-18"'}, {"name": "source.uri"}]}
APP, LIB, NEXT = (sha256(name.encode()).hex() for name in ("app 1.0", "lib 1.0", "app 1.1"))


class Releases(Log):
    def __init__(self):
        super().__init__(ORIGIN)
        self.made = 0

    def refs(self, *refs):
        """`(rel, index)`, with the place of a sealed target; or a reference as it is."""
        found = []
        for ref in refs:
            if isinstance(ref, dict):
                found.append(ref)
                continue
            rel, index = ref
            event_id, place, _ = self.places[index]
            sealed = self.leaves[index]["type"] == "access"
            found.append({"rel": rel, "event_id": event_id} | ({"at": place} if sealed else {}))
        return sorted(found, key=lambda ref: (ref["rel"], ref["event_id"]))

    def free(self, kind, issuer, body, subject, **how):
        """An unchained event."""
        self.made += 1
        nonce = chance(f"nonce {self.made}", 16).hex()
        return self.event(kind, issuer, START + 4, body, subject, **{"seq": None, "prev": None, "nonce": nonce} | how)

    def verdict(self, refs, said=None, *, issuer="supervisor", subject=(APP,), **how):
        refs = self.refs(*refs) or None
        return self.free("verdict", issuer, changed(VERDICT, said or {}), list(subject), refs=refs, **how)

    def rules(self, said=None, *, cosigners=("supervisor",), subject=None, issuer="operator", **how):
        body = changed(RULES, said or {})
        subject = subject or [sha256(jcs(body)).hex()]
        return self.event("rules", issuer, START + 4, body, subject, cosigners=cosigners, **how)

    def correction(self, of, said=None, *, issuer="operator", refs=None, subject=None, **how):
        refs = self.refs(*(refs if refs is not None else [("corrects", of)])) or None
        subject = subject or [self.places[of][0]]
        return self.event("correction", issuer, START + 4, changed(CORRECTION, said or {}), subject, refs=refs, **how)

    def refuse_all(self, cases):
        for name, expect, note, made in cases:
            self.refuse(name, expect, note, made, NOW)


def open_issuers(log):
    first = charter(ORIGIN) | {"types": TYPES.split()}
    subject = [sha256(ORIGIN.encode()).hex()]
    log.take(log.event("charter", "operator", START, first, subject, cosigners=("supervisor",)), "takes them", NOW)
    opened = {
        "farm": {"types": {"build": "none", "correction": "strict"}, "builders": ["https://farm.example/builder"]},
        "release": {
            "types": {"update": "strict"},
            "streams": [
                {"packageId": "app", "channel": "beta", "regional": False},
                {"packageId": "app", "channel": "stable", "regional": False},
            ],
        },
        "gateway": {"types": {"access": "strict", "correction": "strict"}, "sites": ["CH-ZH-1"]},
        "office": {"types": {"verdict": "none"}},
    }
    for name, more in opened.items():
        body = {"vkey": KEYS[name]["vkey"], "heartbeat_s": 86400, "jurisdiction": "CH"} | more
        made = log.event("issuer-open", name, START + 2, body, key_subject(name), cosigners=("operator",))
        log.take(made, f"opens {name}", NOW)


def release(log):
    """Two builds, and three updates of two products; their entries."""

    def build(version, files):
        body = {
            "purl": f"pkg:generic/app@{version}",
            "source": {"uri": "git+https://git.example/app", "digest": {"gitTree": "ab" * 20}},
            "builder_id": "https://farm.example/builder",
            "build_type": "https://farm.example/container",
            "invocation_id": f"run of {version}",
            "started": START,
            "finished": START + 1,
            "build_site": "CH-ZH-1",
            "signing_site": "CH-ZH-1",
        }
        subject = [named(name, digest) for name, digest in files]
        return log.take(log.free("build", "farm", body, subject), f"builds {version}", NOW)

    def update(version, channel, seq, build, files):
        body = {
            "purl": f"pkg:generic/app@{version}",
            "packageId": "app",
            "channel": channel,
            "kind": "product",
            "audience": ["all"],
            "release_seq": seq,
            "built_here": True,
        }
        subject = [named(name, digest, annotations={"size": 7}) for name, digest in files]
        made = log.event("update", "release", START + 4, body, subject, refs=log.refs(("releases", build)))
        return log.take(made, f"releases {version} to {channel}", NOW)

    one, two = build("1.0", [("app", APP), ("lib", LIB)]), build("1.1", [("app", NEXT)])
    stable = update("1.0", "stable", 1, one, [("app", APP), ("lib", LIB)])
    beta = update("1.0", "beta", 1, one, [("lib", LIB)])
    return one, stable, beta, update("1.1", "stable", 2, two, [("app", NEXT)])


def verdicts(log, build, stable, beta, other):
    about = [("about", stable), ("about", build)]
    table = {
        "result-small": ("value", {"result": "passed"}),
        "result-missing": ("malformed", {"result": ...}),
        "verifier-empty": ("value", {"verifier": ""}),
        "verifier-of-513": ("value", {"verifier": "v" * 513}),
        "policy-missing": ("malformed", {"policy": ...}),
        "policy-without-digest": ("malformed", {"policy": {"uri": "https://office.example/policy/3"}}),
        "policy-digest-capitals": ("value", {"policy": VERDICT["policy"] | {"sha256": "5A" * 32}}),
        "policy-unknown-member": ("malformed", {"policy": VERDICT["policy"] | {"name": "x"}}),
        "levels-missing": ("malformed", {"levels": ...}),
        "levels-unsorted": ("value", {"levels": ["b", "a"]}),
        "levels-twice": ("value", {"levels": ["a", "a"]}),
        "levels-17": ("value", {"levels": [f"{i:02}" for i in range(17)]}),
        "levels-of-one-track": ("value", {"levels": ["SLSA_BUILD_LEVEL_1", "SLSA_BUILD_LEVEL_2"]}),
        "levels-failed": ("value", {"levels": ["FAILED"]}),
        "levels-of-65": ("value", {"levels": ["l" * 65]}),
        "version-of-three-parts": ("value", {"slsa_version": "1.1.0"}),
        "version-leading-zero": ("value", {"slsa_version": "1.01"}),
        "version-a-number": ("malformed", {"slsa_version": 1}),
        "report-of-no-attachment": ("attachment-missing", {"report": "ab" * 32}),
        "body-unknown-member": ("malformed", {"dependencyLevels": {}}),
        "failed-with-levels": ("outcome", {"result": "FAILED"}),
    }
    log.refuse_all(
        (f"verdict-{name}", expect, name.split("-")[0], log.verdict(about, change))
        for name, (expect, change) in table.items()
    )
    elsewhere = {"rel": "about", "event_id": "cd" * 32, "origin": "vitrine.example/other"}
    here = {"rel": "about", "event_id": log.places[stable][0], "origin": ORIGIN}
    never = {"rel": "about", "event_id": "cd" * 32}
    many = [{"rel": "about", "event_id": f"{i:064x}"} for i in range(16)]
    log.refuse_all(
        [
            ("verdict-about-nothing", "ref-kind", "about", log.verdict([])),
            ("verdict-about-no-update", "ref-kind", "about", log.verdict([("about", build)])),
            ("verdict-about-two-products", "ref-kind", "about", log.verdict([("about", stable), ("about", other)])),
            ("verdict-about-another-logs-update", "ref-kind", "about", log.verdict([elsewhere])),
            ("verdict-about-this-log-as-another", "ref-kind", "origin", log.verdict([here])),
            ("verdict-about-what-was-never-logged", "ref-missing", "about", log.verdict([never, ("about", stable)])),
            ("verdict-about-17", "value", "refs", log.verdict([*many, ("about", stable)])),
            ("verdict-releases", "ref-kind", "rel", log.verdict([("about", stable), ("releases", build)])),
            ("verdict-file-of-no-update", "subject", "subject", log.verdict(about, subject=["ab" * 32])),
            ("verdict-file-of-another-update", "subject", "subject", log.verdict(about, subject=[NEXT])),
            ("verdict-one-file-of-two", "subject", "subject", log.verdict(about, subject=sorted([APP, NEXT]))),
            ("verdict-file-of-its-build-alone", "subject", "subject",
             log.verdict([("about", beta), ("about", build)], subject=[APP])),
            ("verdict-subject-twice", "value", "subject", log.verdict(about, subject=[APP, APP])),
            ("verdict-subject-unsorted", "value", "subject", log.verdict(about, subject=sorted([APP, LIB])[::-1])),
            ("verdict-subject-empty", "subject", "subject", log.verdict(about, subject=[])),
            ("verdict-subject-named", "malformed", "name", log.verdict(about, subject=[named("app", APP)])),
            ("verdict-of-the-operator", "type-not-allowed", "issuer", log.verdict(about, issuer="operator")),
            ("verdict-of-farm", "type-not-allowed", "issuer", log.verdict(about, issuer="farm")),
            ("verdict-in-a-chain", "malformed", "seq",
             log.verdict(about, seq=1, prev="0" * 64, nonce=None)),
        ]
    )
    passed = log.take(log.verdict(about), "passes a file of an update", NOW)
    both = [("about", stable), ("about", beta), ("about", passed), elsewhere]
    report = {"result": "FAILED", "levels": [], "slsa_version": ..., "report": sha256(REPORT).hex()}
    failed = log.verdict(
        both, report, issuer="office", subject=sorted([APP, LIB]), change=attach(REPORT, "text/plain")
    )
    log.take(failed, "fails two files, with a report, about an event of another log too", NOW)
    return passed


def rules(log):
    region = lambda name, countries=(), sites=("CH-ZH-1",): {
        "region": name,
        "countries": list(countries),
        "sites": list(sites),
    }
    eu = RULES["regions"][0]
    table = {
        "version-2": ("value", {"version": 2}),
        "version-0": ("value", {"version": 0}),
        "effective-no-day": ("value", {"effective": "2018-11-31"}),
        "effective-a-number": ("malformed", {"effective": 1542067200}),
        "regions-none": ("value", {"regions": []}),
        "regions-unsorted": ("value", {"regions": [region("US"), region("EU")]}),
        "regions-twice": ("value", {"regions": [eu, eu]}),
        "regions-65": ("value", {"regions": [region(f"R{i:02}") for i in range(65)]}),
        "region-unknown": ("value", {"regions": [region("UNKNOWN")]}),
        "region-mixed": ("value", {"regions": [region("MIXED")]}),
        "region-small": ("value", {"regions": [region("eu")]}),
        "region-unknown-member": ("malformed", {"regions": [eu | {"since": "2018-11-13"}]}),
        "countries-missing": ("malformed", {"regions": [{"region": "EU", "sites": ["CH-ZH-1"]}]}),
        "countries-unsorted": ("value", {"regions": [region("EU", ["DE", "AT"])]}),
        "countries-in-two-regions": ("value", {"regions": [region("EU", ["CH", "DE"]), region("ME", ["AE", "CH"])]}),
        "countries-of-three-letters": ("value", {"regions": [region("EU", ["CHE"])]}),
        "sites-none": ("value", {"regions": [region("EU", sites=[])]}),
        "sites-no-site": ("value", {"regions": [region("EU", sites=["CH"])]}),
        "sites-17": ("value", {"regions": [region("EU", sites=[f"CH-{i:02}" for i in range(17)])]}),
        "exclusions-missing": ("malformed", {"exclusions": ...}),
        "exclusions-twice": ("value", {"exclusions": ["a", "a"]}),
        "exclusions-33": ("value", {"exclusions": [f"{i}" for i in range(33)]}),
        "exclusions-of-257": ("value", {"exclusions": ["x" * 257]}),
        "retention-365-days": ("value", {"retention": [{"category": "account", "days": 365}]}),
        "retention-no-category": ("value", {"retention": [{"category": "gossip", "days": 366}]}),
        "retention-unsorted": ("value", {"retention": RULES["retention"][::-1]}),
        "lateness-negative": ("value", {"lateness_s": -1}),
        "lateness-missing": ("malformed", {"lateness_s": ...}),
        "document-of-no-attachment": ("attachment-missing", {"document": "ab" * 32}),
        "body-unknown-member": ("malformed", {"supersedes": 1}),
    }
    log.refuse_all(
        (f"rules-{name}", expect, name.split("-")[0], log.rules(change)) for name, (expect, change) in table.items()
    )
    log.refuse_all(
        [
            ("rules-without-the-supervisor", "signer-set", "supervisor", log.rules(cosigners=())),
            ("rules-with-the-vault-for-the-supervisor", "signer-set", "supervisor", log.rules(cosigners=("vault",))),
            ("rules-of-the-supervisor", "type-not-allowed", "issuer",
             log.rules(issuer="supervisor", cosigners=("operator",))),
            ("rules-of-farm", "type-not-allowed", "issuer", log.rules(issuer="farm")),
            ("rules-subject-other", "subject", "subject", log.rules(subject=["ab" * 32])),
            ("rules-subject-two", "subject", "subject", log.rules(subject=[sha256(jcs(RULES)).hex(), "ff" * 32])),
            ("rules-unchained", "malformed", "nonce", log.rules(seq=None, prev=None, nonce="ab" * 16)),
        ]
    )
    first = log.take(log.rules(), "Europe, from 2018-11-13 on", NOW)
    log.refuse_all(
        [
            ("rules-version-1-again", "value", "version", log.rules({"effective": "2020-11-01"})),
            ("rules-version-3-after-1", "value", "version", log.rules({"version": 3})),
            ("rules-effective-a-day-earlier", "value", "effective", log.rules({"version": 2, "effective": "2018-11-12"})),
        ]
    )
    more = [region("CA", ["CA"]), eu, region("US", ["US"])]
    second = {"version": 2, "effective": "2020-11-01", "regions": more, "document": sha256(DOCUMENT).hex()}
    log.take(log.rules(second, change=attach(DOCUMENT, "text/plain")), "America too, with a document", NOW)
    third = {"version": 3, "effective": "2020-11-01", "exclusions": [], "retention": [], "lateness_s": 0}
    log.take(log.rules(third), "the same day again, and nothing else said", NOW)
    return first


def corrections(log, build, access, passed, first_rules):
    person = {"class": "subject", "reason": "data-subject", "authority": "case 7", "places": []}
    subject = [sha256(b"p-9f1c4e").hex()]
    erased = log.take(
        log.event("erasure", "operator", START + 4, person, subject, cosigners=("supervisor",)), "a person", NOW
    )
    names = lambda *some: {"fields": [{"name": name} for name in some]}
    value = lambda text: {"fields": [{"name": "invocation_id", "value": text}]}
    table = {
        "reason-other": ("value", {"reason": "regret"}),
        "reason-missing": ("malformed", {"reason": ...}),
        "fields-none": ("value", names()),
        "fields-25": ("value", names(*(f"f{i:02}" for i in range(25)))),
        "fields-unsorted": ("value", names("b", "a")),
        "fields-twice": ("value", names("a", "a")),
        "field-unknown-member": ("malformed", {"fields": [{"name": "a", "old": "1"}]}),
        "name-with-a-blank": ("value", names("source uri")),
        "name-with-two-dots": ("value", names("source..uri")),
        "name-with-a-leading-zero": ("value", names("scope[01]")),
        "name-of-129": ("value", names("n" * 129)),
        "name-missing": ("malformed", {"fields": [{"value": "1"}]}),
        "value-no-json": ("value", value("run-18")),
        "value-another-spelling": ("value", value('{"b": 1,"a":2}')),
        "value-a-fraction": ("value", value("1.5")),
        "value-of-1025": ("value", value(f'"{"x" * 1023}"')),
        "value-a-number": ("malformed", {"fields": [{"name": "a", "value": 5}]}),
        "body-unknown-member": ("malformed", {"note": "x"}),
    }
    log.refuse_all(
        (f"correction-{name}", expect, name.split("-")[0], log.correction(build, change))
        for name, (expect, change) in table.items()
    )
    never = {"rel": "corrects", "event_id": "cd" * 32}
    misplaced = {"rel": "corrects", "event_id": log.places[access][0], "at": log.places[access][1] | {"seq": 2}}
    elsewhere = never | {"origin": "vitrine.example/other"}
    own = names("purpose", "storage_site")
    log.refuse_all(
        [
            ("correction-of-nothing", "ref-kind", "corrects", log.correction(build, refs=[])),
            ("correction-of-two", "ref-kind", "corrects",
             log.correction(build, refs=[("corrects", build), ("corrects", passed)])),
            ("correction-of-what-was-never-logged", "ref-missing", "corrects", log.correction(build, refs=[never])),
            ("correction-of-another-logs-event", "malformed", "origin", log.correction(build, refs=[elsewhere])),
            ("correction-about", "ref-kind", "rel", log.correction(build, refs=[("about", build)])),
            ("correction-of-a-charter", "ref-kind", "corrects", log.correction(0)),
            ("correction-of-an-opening", "ref-kind", "corrects", log.correction(1)),
            ("correction-of-rules", "ref-kind", "corrects", log.correction(first_rules)),
            ("correction-of-an-erasure", "ref-kind", "corrects", log.correction(erased)),
            ("correction-of-anothers-event", "ref-kind", "corrects", log.correction(passed, issuer="farm")),
            ("correction-of-a-build-by-gateway", "ref-kind", "corrects", log.correction(build, issuer="gateway")),
            ("correction-by-office", "type-not-allowed", "issuer", log.correction(build, issuer="office")),
            ("correction-by-the-vault", "type-not-allowed", "issuer", log.correction(build, issuer="vault")),
            ("correction-subject-other", "subject", "subject", log.correction(build, subject=["ab" * 32])),
            ("correction-subject-two", "subject", "subject",
             log.correction(build, subject=[log.places[build][0], "ff" * 32])),
            ("correction-unchained", "malformed", "nonce",
             log.correction(build, seq=None, prev=None, nonce="ab" * 16)),
            ("correction-sealed-at-another-place", "ref-kind", "at",
             log.correction(access, own, issuer="gateway", refs=[misplaced])),
            ("correction-sealed-with-a-value", "malformed", "value",
             log.correction(access, {"fields": [{"name": "purpose", "value": '"UNKNOWN"'}]}, issuer="gateway")),
            ("correction-sealed-no-field", "value", "name", log.correction(access, names("commit"), issuer="gateway")),
        ]
    )
    first = log.take(log.correction(build), "the operator corrects a build", NOW)
    log.refuse("correction-of-a-correction", "ref-kind", "corrects", log.correction(first), NOW)
    log.take(log.correction(build, issuer="farm"), "its own issuer corrects it, too", NOW)
    log.take(log.correction(access, own | {"reason": "late"}, issuer="gateway"), "of a sealed one, names alone", NOW)
    more = names("findings.high", "policy.uri", "scope[0]", "scope[12].a_1")
    log.take(log.correction(passed, more | {"reason": "legal"}, issuer="supervisor"), "of a verdict", NOW)


def ask_the_supervisor(log, stable):
    """A charter under which no verdict is the vendor's alone."""
    more = charter(ORIGIN) | {
        "types": TYPES.split(),
        "version": 2,
        "prev": log.leaves[0]["event_id"],
        "cosign": {"verdict": ["supervisor"]},
    }
    subject = [sha256(ORIGIN.encode()).hex()]
    made = log.event("charter", "operator", START + 4, more, subject, cosigners=("supervisor",))
    log.take(made, "verdicts are co-signed by the supervisor", NOW)
    about = [("about", stable)]
    log.refuse("verdict-alone-under-cosign", "signer-set", "supervisor", log.verdict(about, issuer="office"), NOW)
    made = log.verdict(about, issuer="office", cosigners=("supervisor",))
    log.take(made, "office with the supervisor", NOW)
    log.take(log.verdict(about), "the supervisor alone", NOW)


def files():
    log = Releases()
    open_issuers(log)
    build, stable, beta, other = release(log)
    log.take(log.sealing_key("gateway", START, "releases gateway"), "a window", NOW)
    access = log.take(log.access("gateway", START, "releases a", WORKED), "an access", NOW)
    passed = verdicts(log, build, stable, beta, other)
    first_rules = rules(log)
    corrections(log, build, access, passed, first_rules)
    ask_the_supervisor(log, stable)
    shown = {
        "origin": ORIGIN,
        "seeds": {some["keyid"]: some["seed"].hex() for some in KEYS.values()},
        "readers": {name: {"seal_seed": seed.hex(), "sign": KEYS[name]["vkey"]} for name, seed in SEALS.items()},
        "K": log.K,
        "W": log.W,
        "attachments": {sha256(content).hex(): b64(content) for content in (REPORT, DOCUMENT)},
        "leaves": log.leaves,
    }
    return {"leaves/statements.json": shown, "leaves/statements-refused.json": log.refused}
