// Readers' keys, wraps and field commitments by Go's standard library alone: no code is shared with spec.
//
// One JSON request a line on the standard input, one JSON answer a line. Written from the page of the leaf format. Not
// here: the records themselves, whose ChaCha20-Poly1305 the standard library does not offer outside HPKE.
package main

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// Words of the format, in its order.
var fields = strings.Fields(`occurred_at op native_op actor actor_session actor_entity actor_office_country
	actor_location_country automated dataset data_category subject_region subject_ref object_count storage_site purpose
	legal_basis ticket recipient transfer_basis outcome grant native_id native_digest`)

// Bytes travel as hexadecimal.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(o)), nil }

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

type request struct {
	Do     string            `json:"do"`
	Seed   octets            `json:"seed"`
	Public octets            `json:"public"`
	Origin string            `json:"origin"`
	Issuer string            `json:"issuer"`
	Epoch  uint32            `json:"epoch"`
	Seq    uint64            `json:"seq"`
	Reader string            `json:"reader"`
	W      octets            `json:"W"`
	Wrap   octets            `json:"wrap"`
	K      octets            `json:"K"`
	Values []json.RawMessage `json:"values"`
}

type answer struct {
	Public      octets   `json:"public,omitempty"`
	KeyID       octets   `json:"key_id,omitempty"`
	Wrap        octets   `json:"wrap,omitempty"`
	W           octets   `json:"W,omitempty"`
	Check       octets   `json:"check,omitempty"`
	Commitments []octets `json:"commitments,omitempty"`
	Commit      octets   `json:"commit,omitempty"`
	Error       string   `json:"error,omitempty"`
}

func sum(parts ...[]byte) octets {
	digest := sha256.Sum256(bytes.Join(parts, nil))
	return digest[:]
}

func lp(text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}

func (r *request) info() []byte {
	info := append([]byte("vitrine/v0/wrap\x00"), lp(r.Origin)...)
	info = append(info, lp(r.Issuer)...)
	info = binary.BigEndian.AppendUint32(info, r.Epoch)
	info = binary.BigEndian.AppendUint64(info, r.Seq)
	return append(info, lp(r.Reader)...)
}

// The value in its one spelling: the encoder sorts members; integers stay as they came.
func jcs(value json.RawMessage) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var parsed any
	if err := decoder.Decode(&parsed); err != nil {
		return nil, err
	}
	var printed bytes.Buffer
	encoder := json.NewEncoder(&printed)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(parsed)
	return bytes.TrimSuffix(printed.Bytes(), []byte("\n")), err
}

func commitments(k []byte, values []json.RawMessage) ([]octets, error) {
	if len(values) != len(fields) {
		return nil, fmt.Errorf("%d values, not %d", len(values), len(fields))
	}
	var all []octets
	for i, name := range fields {
		salt, err := hkdf.Key(sha256.New, k, nil, "vitrine/v0/salt/"+name, 32)
		if err != nil {
			return nil, err
		}
		value, err := jcs(values[i])
		if err != nil {
			return nil, err
		}
		length := binary.BigEndian.AppendUint32(nil, uint32(len(value)))
		all = append(all, sum([]byte("vitrine/v0/commit\x00"), salt, lp(name), length, value))
	}
	return all, nil
}

func commit(all []octets) octets {
	joined := []byte("vitrine/v0/fields\x00")
	for _, one := range all {
		joined = append(joined, one...)
	}
	return sum(joined)
}

func (r *request) answer() (a answer, err error) {
	kem, kdf, aead := hpke.MLKEM768X25519(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305()
	switch r.Do {
	case "public":
		private, err := kem.NewPrivateKey(r.Seed)
		if err != nil {
			return a, err
		}
		a.Public = private.PublicKey().Bytes()
		a.KeyID = sum([]byte("vitrine/v0/reader\x00"), a.Public)[:8]
	case "wrap":
		public, err := kem.NewPublicKey(r.Public)
		if err != nil {
			return a, err
		}
		a.Wrap, err = hpke.Seal(public, kdf, aead, r.info(), r.W)
		return a, err
	case "unwrap":
		private, err := kem.NewPrivateKey(r.Seed)
		if err != nil {
			return a, err
		}
		if a.W, err = hpke.Open(private, kdf, aead, r.info(), r.Wrap); err != nil {
			return a, err
		}
		a.Check = sum([]byte("vitrine/v0/check\x00"), a.W)
	case "commit":
		if a.Commitments, err = commitments(r.K, r.Values); err != nil {
			return a, err
		}
		a.Commit = commit(a.Commitments)
	default:
		return a, fmt.Errorf("nothing to do that is called %q", r.Do)
	}
	return a, nil
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var r request
		if err := in.Decode(&r); err == io.EOF {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(2)
		}
		a, err := r.answer()
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := out.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(2)
		}
	}
}
