#!/bin/sh
# A build and its update, posted with curl: log-client makes and signs the events, the log's answer is the proof, and it is verified.
#   log.sh FILE PURL SOURCE_URI
# For a machine that reaches the log through something that only speaks HTTP. Anywhere else `log-client log` does all of it, tries
# again, and lets many jobs share an issuer.
# From the environment: VITRINE_LOG, VITRINE_POLICY, VITRINE_KEY, VITRINE_ISSUER, and of the build BUILDER, SITE, CHANNEL, PACKAGE.
set -eu
file=$1 purl=$2 source=$3
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Signs EVENT.json, posts it, keeps the proof in EVENT.json.tlog-proof, and believes it only when the policy's quorum signed it.
post() {
  log-client event sign --key "$VITRINE_KEY" "$1"
  { printf '{"envelope":'; cat "$1"; printf '}'; } > "$work/body"
  # 429, 503 and 504 are tried again: the same bytes are logged once, whatever became of the answer before.
  curl --silent --show-error --fail-with-body --retry 8 --retry-connrefused \
    --header 'content-type: application/json' --data-binary "@$work/body" --output "$work/answer" "$VITRINE_LOG/events" ||
    { cat "$work/answer" >&2; exit 1; }
  log-client proof verify --policy "$VITRINE_POLICY" --entry "$1" "$work/answer"
  mv "$work/answer" "$1.tlog-proof"
}

log-client event new build --log "$VITRINE_LOG" --issuer "$VITRINE_ISSUER" --file "$file" --field purl="$purl" \
  --field source.uri="$source" --field source.digest.gitCommit="$(git rev-parse HEAD)" --field builder_id="$BUILDER" \
  --field build_type="$BUILDER/make" --field invocation_id="$now" --field started="$now" --field finished="$now" \
  --field build_site="$SITE" --field signing_site="$SITE" --site "$SITE" --out "$file.build.json"
post "$file.build.json"

log-client event new update --log "$VITRINE_LOG" --issuer "$VITRINE_ISSUER" --file "$file" --ref releases="$file.build.json" \
  --field purl="$purl" --field packageId="$PACKAGE" --field channel="$CHANNEL" --field kind=product --site "$SITE" --out "$file.update.json"
post "$file.update.json"
