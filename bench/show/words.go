package show

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"callseal/bench"
)

// grouped is n with a comma between thousands.
func grouped[N ~int | ~uint64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// counted is "1 call" or "2 calls".
func counted[N ~int | ~uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}

// decimal is v with three digits that matter, and no more than whole numbers
// need.
func decimal(v float64) string {
	digits := 2
	switch size := math.Abs(v); {
	case size == 0 || size >= 99.95:
		digits = 0
	case size >= 9.995:
		digits = 1
	case size < 0.0995:
		digits = min(6, 2-int(math.Floor(math.Log10(size)))-1)
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// elapsed is a time in the unit that suits it: 12.3 µs, 4.56 ms, 7.89 s.
func elapsed(d time.Duration) string {
	switch size := d.Abs(); {
	case size == 0:
		return "0 ms"
	case size < 100*time.Microsecond:
		return decimal(float64(d)/float64(time.Microsecond)) + " µs"
	case size < 10*time.Second:
		return decimal(float64(d)/float64(time.Millisecond)) + " ms"
	}
	return decimal(d.Seconds()) + " s"
}

// ms is a time in milliseconds, "-" when nothing was measured.
func ms(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return decimal(milliseconds(d)) + " ms"
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// size is a number of bytes in the unit that suits it.
func size(bytes uint64) string {
	switch v := float64(bytes); {
	case v >= 1e9:
		return decimal(v/1e9) + " GB"
	case v >= 1e6:
		return decimal(v/1e6) + " MB"
	case v >= 1e3:
		return decimal(v/1e3) + " kB"
	}
	return counted(bytes, "byte")
}

// percent is a share; never 0 when it is not.
func percent(v float64) string {
	if v > 0 && v < 0.000001 {
		return "under 0.000001 %"
	}
	return decimal(v) + " %"
}

// lasted is how long a run took.
func lasted(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	text := d.Round(time.Second).String() // 1h2m3s
	for _, letter := range []string{"h", "m"} {
		text = strings.ReplaceAll(text, letter, letter+" ")
	}
	return strings.NewReplacer("h", " h", "m", " min", "s", " s").Replace(text)
}

// clock is a time as minutes and seconds.
func clock(d time.Duration) string {
	seconds := int(d.Round(time.Second).Seconds())
	if seconds >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// spread is a distribution in words.
func spread(p bench.Percentiles) string {
	if p.Count == 0 {
		return "nothing measured"
	}
	return fmt.Sprintf("half within %s, 99 %% within %s, the longest %s", elapsed(p.P50), elapsed(p.P99), elapsed(p.Max))
}

// phrases are the final codes that a bench meets (RFC 3261 section 21 and its
// kin).
var phrases = map[int]string{
	0: "no answer", 200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone", 415: "Unsupported Media Type", 420: "Bad Extension",
	480: "Temporarily Unavailable", 481: "Call Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
	485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
	500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out",
	600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}

// codeName is a final code in words; 0 is that none came.
func codeName(code int) string {
	phrase, known := phrases[code]
	switch {
	case code == 0:
		return phrase
	case known:
		return fmt.Sprintf("%d %s", code, phrase)
	}
	return strconv.Itoa(code)
}

// codeCount is a final code that is not 2xx: how often it came, and how often
// it was not planned.
type codeCount struct{ Code, Count, Failed int }

// Name is the code in words.
func (c codeCount) Name() string { return codeName(c.Code) }

// refusals are the codes of the calls that were not answered, most frequent
// first.
func refusals(codes, failed map[int]int) []codeCount {
	all := map[int]codeCount{}
	for code, n := range codes {
		if n > 0 && (code < 200 || code > 299) {
			all[code] = codeCount{Code: code, Count: n}
		}
	}
	for code, n := range failed {
		if n > 0 {
			// A code may be missing in codes, or 2xx and a failure all the same.
			all[code] = codeCount{Code: code, Count: max(all[code].Count, n), Failed: n}
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b codeCount) int {
		return cmp.Or(b.Count-a.Count, a.Code-b.Code)
	})
}

// refusalsOf are those of a run. A connection that was made has no code, and
// is no refusal.
func refusalsOf(r *bench.Record) []codeCount {
	codes := maps.Clone(r.Codes)
	if made := r.Calls["connected"]; made > 0 {
		codes[0] -= made
	}
	return refusals(codes, failures(r.Samples))
}

// failures sums up the failures of all seconds.
func failures(samples []bench.Sample) map[int]int {
	sum := map[int]int{}
	for _, s := range samples {
		for code, n := range s.Failed {
			sum[code] += n
		}
	}
	return sum
}

// secretFlags are parts of the names of flags whose values are not shown.
var secretFlags = []string{"password", "passwd", "secret", "token"}

const redacted = "REDACTED"

// redact is a command line without what only its owner may know: the values of
// password flags, and passwords within URIs.
func redact(args []string) []string {
	out := make([]string, 0, len(args))
	hide := false
	for _, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		flag := strings.HasPrefix(arg, "-") && slices.ContainsFunc(secretFlags, func(s string) bool {
			return strings.Contains(strings.ToLower(name), s)
		})
		switch {
		case flag && joined && value != "":
			arg = name + "=" + redacted
		case hide && !strings.HasPrefix(arg, "-"):
			arg = redacted
		default:
			arg = redactURI(arg)
		}
		hide = flag && !joined
		out = append(out, arg)
	}
	return out
}

// redactURI hides the password in scheme:user:password@host.
func redactURI(text string) string {
	head, host, found := strings.Cut(text, "@")
	if !found {
		return text
	}
	scheme, user, found := strings.Cut(head, ":")
	if !found {
		return text
	}
	if name, _, found := strings.Cut(user, ":"); found {
		return scheme + ":" + name + ":" + redacted + "@" + host
	}
	return text
}

// shell is a command line as it can be pasted into one.
func shell(args []string) string {
	quoted := make([]string, 0, len(args))
	for _, arg := range args {
		if arg == "" || strings.ContainsFunc(arg, unsafeInShell) {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		quoted = append(quoted, arg)
	}
	return strings.Join(quoted, " ")
}

func unsafeInShell(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_=+./:@%,", r)
}
