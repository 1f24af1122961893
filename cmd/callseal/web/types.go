package web

import "time"

// The answers of the API. The tags json are an interface: they change only with
// a line in the changelog. The tags doc are what docs/api.md says of them.
// Numbers of customers, caller codes and Call-IDs have no place here.

// Calls is the answer of /api/v1/calls.
type Calls struct {
	Calls []Call `json:"calls" doc:"The calls that are up or being set up, in the order of their IDs."`
	Next  string `json:"next" doc:"What after= of the next page is; empty on the last page."`
}

// Call is one call.
type Call struct {
	ID       string     `json:"id" doc:"As in the log."`
	State    string     `json:"state" doc:"calling, answering, up, cancelling or closing."`
	CallType string     `json:"call_type" doc:"What VICIdial's caller code says that the call is for."`
	Since    time.Time  `json:"since" doc:"When the INVITE came."`
	Answered *time.Time `json:"answered" doc:"When it was answered; null before."`
	Sealed   bool       `json:"sealed" doc:"Both legs are sealed."`
	A        Leg        `json:"a" doc:"Who called."`
	B        Leg        `json:"b" doc:"Who was called."`
}

// Leg is one leg of a call.
type Leg struct {
	Role      string   `json:"role" doc:"phone, dialer or carrier."`
	Name      string   `json:"name" doc:"The trunk's name, or that of the phones' listener."`
	Extension string   `json:"extension" doc:"That of a phone that has registered."`
	Signaling string   `json:"signaling" doc:"The TLS version, udp, tcp, or none before anything came."`
	SRTP      string   `json:"srtp" doc:"The suite of the audio; none is RTP in the clear, empty before both legs agree."`
	Sealed    bool     `json:"sealed" doc:"Neither signaling nor audio is in the clear."`
	OneWay    string   `json:"one_way" doc:"Why nothing of this leg was heard on the other; empty where it was."`
	RoundTrip float64  `json:"round_trip_ms" doc:"By RTCP, in milliseconds; 0 where nothing told it."`
	Received  Received `json:"received" doc:"What came from it, as callseal saw it."`
	Sent      Sent     `json:"sent" doc:"What was sent to it, and how that arrived, as its reports say."`
}

// Received is the audio that came from a leg.
type Received struct {
	Packets    uint64  `json:"packets" doc:"RTP packets that were accepted."`
	Bytes      uint64  `json:"bytes" doc:"UDP payload of RTP and RTCP."`
	Lost       uint64  `json:"lost" doc:"RTP packets that never came."`
	Loss       float64 `json:"loss_ratio" doc:"Their share, 0 to 1."`
	OutOfOrder uint64  `json:"out_of_order" doc:"RTP packets that came behind a newer one."`
	Dropped    uint64  `json:"dropped" doc:"Packets that came to its ports and were not relayed."`
	Jitter     float64 `json:"jitter_ms" doc:"Mean deviation of the spacing, in milliseconds."`
	LongestGap float64 `json:"longest_gap_ms" doc:"Longest time without a packet that should have come, in milliseconds."`
	MOS        float64 `json:"mos" doc:"Mean opinion score by the E-model, 1 to 4.5; 0 with too few packets."`
}

// Sent is the audio that was sent to a leg.
type Sent struct {
	Packets uint64  `json:"packets" doc:"RTP packets."`
	Bytes   uint64  `json:"bytes" doc:"UDP payload of RTP and RTCP."`
	Lost    uint64  `json:"lost" doc:"RTP packets that never arrived; 0 without reports."`
	Loss    float64 `json:"loss_ratio" doc:"Their share, 0 to 1."`
	Jitter  float64 `json:"jitter_ms" doc:"In milliseconds; 0 without reports."`
	MOS     float64 `json:"mos" doc:"1 to 4.5; 0 without reports."`
}

// Phones is the answer of /api/v1/phones.
type Phones struct {
	Phones []Phone `json:"phones" doc:"Phones that have registered, by their addresses of record; those that the parameters ask for."`
	Next   string  `json:"next" doc:"What after= of the next page is; empty on the last page."`
	Agents []Agent `json:"user_agents" doc:"How many of all phones are sealed, by user agent, the most numerous first; at most 100."`
}

// Phone is one that has registered.
type Phone struct {
	AOR       string    `json:"aor" doc:"The address that it is registered for."`
	Extension string    `json:"extension" doc:"Its user part."`
	Contact   string    `json:"contact" doc:"As the phone gave it."`
	Address   string    `json:"address" doc:"Where it really is."`
	Transport string    `json:"transport" doc:"tls, tcp or udp."`
	TLS       string    `json:"tls" doc:"The TLS version; empty without TLS."`
	Sealed    bool      `json:"sealed" doc:"Neither signaling nor audio may be in the clear."`
	UserAgent string    `json:"user_agent" doc:"As the phone says."`
	RoundTrip float64   `json:"round_trip_ms" doc:"In milliseconds; 0: not known yet."`
	Since     time.Time `json:"since" doc:"When it registered."`
	Expires   time.Time `json:"expires" doc:"When that ends."`
	Dialer    string    `json:"dialer" doc:"Where it is registered."`
	Listener  string    `json:"listener" doc:"By which it came."`
	Gone      bool      `json:"gone" doc:"Its connection is lost: it is not reached until it registers anew."`
	Stage     string    `json:"rollout" doc:"Where it stands in phones.rollout: settled (not concerned), reached (has to be sealed), waiting (passes as its listener says) or held (refused from its next message on)."`
	Lines     []Line    `json:"lines" doc:"Its registrations that callseal keeps at dialers (phones.registrar: local); empty where the phone registers there itself."`
}

// Line is a registration of a phone at a dialer.
type Line struct {
	Dialer   string     `json:"dialer" doc:"The dialer's name."`
	User     string     `json:"user" doc:"What the dialer knows the phone as."`
	State    string     `json:"state" doc:"idle, registering, registered, refreshing, waiting, stopped, unregistering or ended."`
	Since    *time.Time `json:"since" doc:"Of the state."`
	Expires  *time.Time `json:"expires" doc:"When it ends; null where there is none."`
	Next     *time.Time `json:"next" doc:"When it is tried next; null where that is not due."`
	Failures int        `json:"failures" doc:"Attempts in a row that failed."`
	Code     int        `json:"code" doc:"What the dialer said last; 0: nothing."`
	Fault    string     `json:"fault" doc:"What is wrong; empty: nothing is."`
	Advice   string     `json:"advice" doc:"What to change."`
	TLS      bool       `json:"tls" doc:"It went over TLS."`
}

// Agent counts the phones of one user agent.
type Agent struct {
	UserAgent string `json:"user_agent" doc:"As the phones say."`
	Sealed    int    `json:"sealed" doc:"Phones that are sealed."`
	Plain     int    `json:"plain" doc:"Phones of which something may be in the clear."`
}

// Trunks is the answer of /api/v1/trunks.
type Trunks struct {
	Trunks []Trunk `json:"trunks" doc:"Dialers and carriers in the order of the configuration."`
}

// Trunk is one dialer or carrier.
type Trunk struct {
	Name         string        `json:"name" doc:"Its name in the configuration."`
	Role         string        `json:"role" doc:"dialer or carrier."`
	Transport    string        `json:"transport" doc:"tls, tcp or udp."`
	Host         string        `json:"host" doc:"Where calls to it go."`
	Port         uint16        `json:"port" doc:"Its port; 0 where DNS says it."`
	Media        string        `json:"media" doc:"SRTP: required, preferred or off."`
	Sealed       bool          `json:"sealed" doc:"Neither signaling nor audio may be in the clear."`
	Plain        *Acceptance   `json:"plain" doc:"Who accepted that something is in the clear; null where nobody did."`
	Certificates []Certificate `json:"certificates" doc:"Those that its section names."`
	Health       Health        `json:"health" doc:"Whether calls go to it first."`
	Load         Load          `json:"load" doc:"The calls that it has, and its limits."`
	Registration *Registration `json:"registration" doc:"How our account there stands; null where we have none."`
}

// Registration is that of ours at a trunk.
type Registration struct {
	State     string     `json:"state" doc:"idle, registering, registered, refreshing, waiting, stopped, unregistering or ended."`
	Since     *time.Time `json:"since" doc:"Of the state."`
	Registrar string     `json:"registrar" doc:"Where it is registered."`
	Expires   *time.Time `json:"expires" doc:"When it ends; null where there is none."`
	Next      *time.Time `json:"next" doc:"When it is tried next; null where that is not due."`
	Failures  int        `json:"failures" doc:"Attempts in a row that failed."`
	Code      int        `json:"code" doc:"What the registrar said last; 0: nothing."`
	Fault     string     `json:"fault" doc:"What is wrong; empty: nothing is."`
	Advice    string     `json:"advice" doc:"What to change."`
	TLS       bool       `json:"tls" doc:"It went over TLS."`
}

// Health is how a trunk answers.
type Health struct {
	Watched   bool       `json:"watched" doc:"It is asked by OPTIONS."`
	Up        bool       `json:"up" doc:"It answers; true where it is not asked."`
	Since     *time.Time `json:"since" doc:"Of up; null: since the start."`
	Resting   *time.Time `json:"resting_until" doc:"Until when it wants to be left alone (Retry-After); null: it does not."`
	RoundTrip float64    `json:"round_trip_ms" doc:"Of the last OPTIONS that it answered, in milliseconds; 0: none."`
	Fault     string     `json:"fault" doc:"Why it did not answer last; empty: it always did."`
}

// Load is what a trunk has to carry, and may.
type Load struct {
	Calls       int `json:"calls" doc:"Calls that it has now, in both directions."`
	MostCalls   int `json:"most_calls" doc:"How many it may have; 0: no limit."`
	Waiting     int `json:"waiting" doc:"Calls that wait for their turn."`
	MostASecond int `json:"most_per_second" doc:"Calls a second that it may get; 0: no limit."`
}

// Acceptance is who accepted a plain hop.
type Acceptance struct {
	AcceptedBy string `json:"accepted_by" doc:"Who accepted it."`
	Reason     string `json:"reason" doc:"Why it is not encrypted."`
}

// Certificate is one that the configuration names.
type Certificate struct {
	Name     string    `json:"name" doc:"Its place in the configuration."`
	NotAfter time.Time `json:"not_after" doc:"When it expires."`
}

// Bans is the answer of /api/v1/bans.
type Bans struct {
	Bans []Ban  `json:"bans" doc:"The addresses of which nothing is taken, in their order."`
	Next string `json:"next" doc:"What after= of the next page is; empty on the last page."`
}

// Ban is one address that is banned.
type Ban struct {
	Address    string    `json:"address" doc:"The address, of IPv6 its /64."`
	Transports string    `json:"transports" doc:"What is banned of it: udp, or tcp and tls."`
	Cause      string    `json:"cause" doc:"The last thing that it did."`
	Registers  bool      `json:"registers" doc:"Whether a phone there may still register, which ends the ban."`
	Since      time.Time `json:"since" doc:"When the ban began."`
	Until      time.Time `json:"until" doc:"When it ends."`
	Dropped    uint64    `json:"dropped" doc:"Datagrams, messages or connections since."`
}

// Configuration is the answer of /api/v1/config.
type Configuration struct {
	Version      string        `json:"version" doc:"SHA-256 of the configuration file in effect, as sha256sum prints it; empty where there is no file."`
	Loaded       time.Time     `json:"loaded" doc:"When it took effect."`
	Tried        time.Time     `json:"tried" doc:"When changed files were read last."`
	Errors       []string      `json:"errors" doc:"Why those do not take effect, in the words of check-config; empty where they do."`
	Restart      []string      `json:"restart" doc:"Keys whose change takes effect at the next start."`
	PlainHops    []PlainHop    `json:"plain_hops" doc:"Hops that may be in the clear."`
	Certificates []Certificate `json:"certificates" doc:"All certificates that the configuration names."`
}

// PlainHop is a hop that the configuration accepts in the clear.
type PlainHop struct {
	Name       string `json:"name" doc:"The trunk, or the phones' listener."`
	Role       string `json:"role" doc:"phone, dialer or carrier."`
	Signaling  string `json:"signaling" doc:"tls, tcp or udp."`
	Media      string `json:"media" doc:"required, preferred or off."`
	AcceptedBy string `json:"accepted_by" doc:"Who accepted it."`
	Reason     string `json:"reason" doc:"Why it is not encrypted."`
}

// Fault is the answer to a request that cannot be answered.
type Fault struct {
	Error string `json:"error" doc:"What is wrong with the request."`
}
