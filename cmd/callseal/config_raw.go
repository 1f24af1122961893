package main

import "time"

// The raw types are the configuration file as it is written: reference.yml
// explains every key, and a test holds the two together. What is text here is
// parsed by the section that validates it.
type rawConfig struct {
	TLS       rawIdentity   `yaml:"tls"`
	Admin     rawAdmin      `yaml:"admin"`
	Log       rawLog        `yaml:"log"`
	Drain     rawDrain      `yaml:"drain"`
	Signaling rawSignaling  `yaml:"signaling"`
	Listeners []rawListener `yaml:"listeners"`
	Media     rawMedia      `yaml:"media"`
	Limits    rawLimits     `yaml:"limits"`
	Trust     rawTrust      `yaml:"trust"`
	DNS       rawDNS        `yaml:"dns"`
	Failover  rawFailover   `yaml:"failover"`
	Dialers   []rawTrunk    `yaml:"dialers"`
	Carriers  []rawTrunk    `yaml:"carriers"`
	Routes    []rawRoute    `yaml:"routes"`
	Phones    rawPhones     `yaml:"phones"`
}

type rawIdentity struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	MinVersion  string `yaml:"min_version"`
}

type rawLog struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

type rawDrain struct {
	Timeout time.Duration `yaml:"timeout"`
}

type rawSignaling struct {
	DSCP int `yaml:"dscp"`
}

type rawListener struct {
	Name           string        `yaml:"name"`
	Role           string        `yaml:"role"`
	Address        string        `yaml:"address"`
	Advertise      string        `yaml:"advertise"`
	Sources        []string      `yaml:"sources"`
	Media          string        `yaml:"media"`
	Suites         []string      `yaml:"suites"`
	MediaAddress   string        `yaml:"media_address"`
	MediaAdvertise string        `yaml:"media_advertise"`
	Transfer       string        `yaml:"transfer"`
	Plaintext      *rawPlaintext `yaml:"plaintext"`
}

type rawPlaintext struct {
	AcceptedBy string `yaml:"accepted_by"`
	Reason     string `yaml:"reason"`
}

type rawMedia struct {
	Address    string        `yaml:"address"`
	Advertise  string        `yaml:"advertise"`
	Address6   string        `yaml:"address6"`
	Advertise6 string        `yaml:"advertise6"`
	Ports      string        `yaml:"ports"`
	Workers    int           `yaml:"workers"`
	Coalesce   time.Duration `yaml:"coalesce"`
	Rest       time.Duration `yaml:"rest"`
	DSCP       int           `yaml:"dscp"`
}

type rawLimits struct {
	Calls                 int           `yaml:"calls"`
	SetupsPerSecond       int           `yaml:"setups_per_second"`
	Memory                string        `yaml:"memory"`
	Ring                  time.Duration `yaml:"ring"`
	Duration              time.Duration `yaml:"duration"`
	Silence               time.Duration `yaml:"silence"`
	Session               time.Duration `yaml:"session"`
	ConnectionsPerAddress int           `yaml:"connections_per_address"`
	Connections           int           `yaml:"connections"`
}

type rawTrunk struct {
	Name           string         `yaml:"name"`
	URI            string         `yaml:"uri"`
	Sources        []string       `yaml:"sources"`
	Media          string         `yaml:"media"`
	Suites         []string       `yaml:"suites"`
	MediaAddress   string         `yaml:"media_address"`
	MediaAdvertise string         `yaml:"media_advertise"`
	TLS            *rawClientTLS  `yaml:"tls"`
	Identify       rawIdentify    `yaml:"identify"`
	Transfer       string         `yaml:"transfer"`
	Headers        rawHeaders     `yaml:"headers"`
	Trusted        bool           `yaml:"trusted"`
	Limits         rawTrunkLimits `yaml:"limits"`
	Health         *rawHealth     `yaml:"health"`
	Redirect       string         `yaml:"redirect"`
	Numbers        rawNumbers     `yaml:"numbers"`
	CallerID       rawCallerID    `yaml:"caller_id"`
	Register       *rawRegister   `yaml:"register"`
	Auth           *rawAuth       `yaml:"auth"`
	InboundAuth    *rawInbound    `yaml:"inbound_auth"`
	Plaintext      *rawPlaintext  `yaml:"plaintext"`
}

// rawRegister may be a registration string alone.
type rawRegister struct {
	Line      string        `yaml:"line"`
	User      string        `yaml:"user"`
	Domain    string        `yaml:"domain"`
	Extension string        `yaml:"extension"`
	Expires   time.Duration `yaml:"expires"`
	On403     string        `yaml:"on_403"`
}

type rawAuth struct {
	User         string `yaml:"user"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
}

type rawHeaders struct {
	Pass  []string          `yaml:"pass"`
	Strip []string          `yaml:"strip"`
	Set   map[string]string `yaml:"set"`
}

type rawNumbers struct {
	Country       string  `yaml:"country"`
	National      string  `yaml:"national"`
	International string  `yaml:"international"`
	In            rawPair `yaml:"in"`
	Out           rawPair `yaml:"out"`
}

type rawPair struct {
	Called rawRewriter `yaml:"called"`
	Caller rawRewriter `yaml:"caller"`
}

type rawRewriter struct {
	Strip   int          `yaml:"strip"`
	Format  string       `yaml:"format"`
	Prepend string       `yaml:"prepend"`
	Rewrite []rawRewrite `yaml:"rewrite"`
}

type rawRewrite struct {
	Match   string `yaml:"match"`
	Replace string `yaml:"replace"`
}

type rawCallerID struct {
	Source     []string `yaml:"source"`
	Send       []string `yaml:"send"`
	Anonymous  bool     `yaml:"anonymous"`
	Extensions []string `yaml:"extensions"`
}

type rawClientTLS struct {
	CA            string `yaml:"ca"`
	ServerName    string `yaml:"server_name"`
	Certificate   string `yaml:"certificate"`
	Key           string `yaml:"key"`
	MinVersion    string `yaml:"min_version"`
	AllowCN       bool   `yaml:"allow_cn"`
	AllowWildcard bool   `yaml:"allow_wildcard"`
	LegacyCiphers bool   `yaml:"legacy_ciphers"`
}
