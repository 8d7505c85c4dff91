package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// What a MAC says begins with its label: what was signed for one purpose is good for no other.
const (
	labelNone       = "" // no MAC of ours
	labelWritten    = "idp audit 1: row, by Record"
	labelSealed     = "idp audit 1: row of an older release, by Link"
	labelLink       = "idp audit 1: link"
	labelHead       = "idp audit 1: head"
	labelCheckpoint = "idp audit 1: checkpoint"
	labelCursor     = "idp audit 1: cursor" // no MAC, but a key
)

// encoding is a sequence of texts and numbers that can be taken apart again in one way only: no two sequences of the
// same kinds are the same bytes.
type encoding []byte

func (e encoding) text(s string) encoding {
	return append(binary.BigEndian.AppendUint32(e, uint32(len(s))), s...)
}

func (e encoding) number(n int64) encoding { return binary.BigEndian.AppendUint64(e, uint64(n)) }

// encode is everything that Record writes.
func (r row) encode(label string) encoding {
	return encoding(nil).text(label).text(r.ID).number(r.At).text(r.Action).text(r.Actor).text(r.Subject).text(r.Client).
		text(r.Result).text(r.Address).text(r.Agent).text(r.Request).text(r.Detail)
}

// sign returns the HMAC-SHA-256 of e as base64url without padding, as all of them are stored.
func (l *Log) sign(e encoding) string {
	h := hmac.New(sha256.New, l.Key)
	h.Write(e)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (l *Log) signed(e encoding, mac string) bool {
	return len(l.Key) > 0 && hmac.Equal([]byte(l.sign(e)), []byte(mac))
}

// origin returns who signed r: labelWritten, labelSealed or labelNone.
func (l *Log) origin(r row) string {
	for _, label := range []string{labelWritten, labelSealed} {
		if l.signed(r.encode(label), r.MAC) {
			return label
		}
	}
	return labelNone
}

// link returns what r adds to a chain that ends in before. It is keyed, or whoever removes a row could link the rest
// anew and leave nothing to see but a head that does not fit.
func (l *Log) link(before string, r row) string {
	return l.sign(encoding(nil).text(labelLink).text(before).number(r.Seq).text(r.ID).text(r.MAC))
}
