package srtp

import (
	"crypto/aes"
	"encoding/binary"

	"callseal/media/ecb"
)

// label tells the six session keys of one master key apart (RFC 3711 section 4.3.1 and 4.3.2).
type label byte

const (
	labelRTPKey label = iota
	labelRTPAuth
	labelRTPSalt
	labelRTCPKey
	labelRTCPAuth
	labelRTCPSalt
)

// authKeyLen is n_a of HMAC-SHA1 in bytes (RFC 3711 section 5.2).
const authKeyLen = 20

// packetKeys are the session keys for one of the two packet kinds.
type packetKeys struct{ key, auth, salt []byte }

// sessionKeys are all session keys of one master key.
type sessionKeys struct{ rtp, rtcp packetKeys }

// deriveKeys derives all session keys at a key derivation rate of 0, the only one SDES can be left at
// (RFC 4568 section 6.3.1: KDR defaults to 0, and a line that sets it is refused).
func deriveKeys(master, salt []byte) (k sessionKeys, err error) {
	block, err := ecb.New(master)
	if err != nil {
		return sessionKeys{}, err
	}
	for _, one := range []struct {
		to   *[]byte
		from label
		size int
	}{
		{&k.rtp.key, labelRTPKey, len(master)}, {&k.rtp.auth, labelRTPAuth, authKeyLen}, {&k.rtp.salt, labelRTPSalt, len(salt)},
		{&k.rtcp.key, labelRTCPKey, len(master)}, {&k.rtcp.auth, labelRTCPAuth, authKeyLen}, {&k.rtcp.salt, labelRTCPSalt, len(salt)},
	} {
		*one.to = derive(block, salt, one.from, one.size)
	}
	return k, nil
}

// derive is the AES-CM pseudo-random function of RFC 3711 section 4.3.3 under the master key, which RFC 6188 section 3
// takes over for 256-bit ones. A 96-bit salt is padded with zeros at its low end (RFC 7714 section 11).
func derive(master ecb.Key, salt []byte, from label, size int) []byte {
	var x [aes.BlockSize]byte // (label || index DIV kdr) XOR master_salt, shifted left by 16 bits
	copy(x[:], salt)
	x[7] ^= byte(from)
	out := make([]byte, size)
	master.Stream(out, binary.BigEndian.Uint64(x[:8]), binary.BigEndian.Uint64(x[8:]))
	return out
}
