package sdp

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pion/srtp/v2"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the results into testdata/golden.txtar")

const goldenFile = "testdata/golden.txtar"

// TestGolden takes the calls listed in the file "calls" of the archive through
// the package the way the call layer does. A call is one line:
//
//	name: offer mode -> mode answer
//
// "offer" and "answer" name files under offers/ and answers/; the result is
// the file calls/name.
func TestGolden(t *testing.T) {
	archive, err := txtar.ParseFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	var inputs []txtar.File
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
		if !strings.HasPrefix(f.Name, "calls/") {
			inputs = append(inputs, f)
		}
	}
	used := map[string]bool{}
	results := inputs
	for _, l := range strings.Split(strings.TrimSpace(files["calls"]), "\n") {
		name, rest, _ := strings.Cut(l, ":")
		fields := strings.Fields(rest)
		if len(fields) != 5 || fields[2] != "->" {
			t.Fatalf("no call: %q", l)
		}
		used["offers/"+fields[0]], used["answers/"+fields[4]] = true, true
		t.Run(name, func(t *testing.T) {
			got := goldenCall(t, files["offers/"+fields[0]], fields[1], fields[3], files["answers/"+fields[4]])
			results = append(results, txtar.File{Name: "calls/" + name, Data: []byte(got)})
			if want := files["calls/"+name]; !*update && got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
	for _, f := range inputs {
		if f.Name != "calls" && !used[f.Name] {
			t.Errorf("%s is used by no call", f.Name)
		}
	}
	if *update {
		archive.Files = results
		if err := os.WriteFile(goldenFile, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// goldenCall is one offer and answer through both legs, as text.
func goldenCall(t *testing.T, offerText, modeA, modeB, answerText string) string {
	t.Helper()
	a, errA := ParseMode(modeA)
	b, errB := ParseMode(modeB)
	offer, errOffer := Parse([]byte(strings.ReplaceAll(offerText, "\n", "\r\n")))
	answer, errAnswer := Parse([]byte(strings.ReplaceAll(answerText, "\n", "\r\n")))
	for _, err := range []error{errA, errB, errOffer, errAnswer} {
		if err != nil {
			t.Fatal(err)
		}
	}
	streamA, err := ReadOffer(offer, a, nil)
	if err != nil {
		return fmt.Sprintf("A's offer: %v\n", err)
	}
	own, err := NewOfferKeys([]Suite{srtp.ProtectionProfileAes256CmHmacSha1_80, srtp.ProtectionProfileAes128CmHmacSha1_80}, randomFrom(1))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "A: %s\n\nto B:\n%s\n", describe(streamA), text(WriteOffer(offer, streamA, toB, b, own), own...))
	streamB, err := ReadAnswer(answer, b, own)
	if err != nil {
		fmt.Fprintf(&out, "B's answer: %v\n", err)
		return out.String()
	}
	toA := toB
	toA.RTP, toA.RTCP = 20002, 20003
	fmt.Fprintf(&out, "B: %s\n\nto A:\n", describe(streamB))
	if !streamA.Secure {
		out.WriteString(text(WriteAnswer(offer, streamA, answer, toA, nil)))
		return out.String()
	}
	key, err := NewAnswerKey(streamA.Crypto, randomFrom(2))
	if err != nil {
		t.Fatal(err)
	}
	out.WriteString(text(WriteAnswer(offer, streamA, answer, toA, &key), key))
	return out.String()
}

// describe is a Stream in one line.
func describe(s Stream) string {
	out := fmt.Sprintf("line %d, %s, RTP %s, RTCP %s, %s, payloads %v", s.Index, s.Proto, s.RTP, s.RTCP, s.Direction, s.Payloads)
	if s.Held {
		out += ", held"
	}
	if s.Mux {
		out += ", mux"
	}
	if s.Secure {
		out += fmt.Sprintf(", tag %s %s", s.Crypto.Tag, s.Crypto.Name)
		if s.Crypto.Lifetime != 0 {
			out += fmt.Sprintf(", %d packets", s.Crypto.Lifetime)
		}
		if s.Crypto.MKILen != 0 {
			out += fmt.Sprintf(", MKI %x", s.Crypto.MKI)
		}
	}
	return out
}
