package srtp

import pion "github.com/pion/srtp/v2"

// transform is what a suite does to one packet whose header, source and index are known. A transform that returns
// false has left the packet as it was. It may keep scratch space, so it belongs to one context.
type transform interface {
	// sealRTP encrypts packet[head:], appends the tag and returns the new length. The capacity has been checked.
	sealRTP(packet []byte, head int, ssrc uint32, index uint64) int
	// openRTP authenticates a packet with its tag and decrypts packet[head:] without it.
	openRTP(packet []byte, head int, ssrc uint32, index uint64) bool
	// sealRTCP encrypts packet[8:], appends index and tag and returns the new length. The capacity has been checked.
	sealRTCP(packet []byte, ssrc, index uint32) int
	// openRTCP authenticates a packet with index and tag and decrypts packet[8:] without them.
	openRTCP(packet []byte, ssrc, index uint32) bool
	// indexRTCP returns the 32-bit word of E flag and index (RFC 3711 section 3.4).
	indexRTCP(packet []byte) uint32
	// overhead returns how many bytes sealing adds.
	overhead() (rtp, rtcp int)
}

// suite is one row of the table of suites. Lengths are in bytes.
type suite struct {
	key, salt int
	build     func(k sessionKeys, mki int) (transform, error)
}

// suites holds the lengths of RFC 3711 section 8.2, RFC 6188 section 3.2 and RFC 7714 section 12.
// An _32 suite shortens the tag of SRTP only: SRTCP keeps 80 bits (RFC 4568 section 6.2.2, RFC 3711 section 5.2).
var suites = map[pion.ProtectionProfile]suite{
	pion.ProtectionProfileAes128CmHmacSha1_80: {key: 16, salt: 14, build: newAESCM(10)},
	pion.ProtectionProfileAes128CmHmacSha1_32: {key: 16, salt: 14, build: newAESCM(4)},
	pion.ProtectionProfileAes256CmHmacSha1_80: {key: 32, salt: 14, build: newAESCM(10)},
	pion.ProtectionProfileAes256CmHmacSha1_32: {key: 32, salt: 14, build: newAESCM(4)},
	pion.ProtectionProfileAeadAes128Gcm:       {key: 16, salt: 12, build: newAESGCM},
	pion.ProtectionProfileAeadAes256Gcm:       {key: 32, salt: 12, build: newAESGCM},
}

// newTransform derives the session keys of k and makes the suite's transform of them.
func newTransform(k Key) (transform, error) {
	row, ok := suites[k.Profile]
	if !ok {
		return nil, ErrProfile
	}
	if len(k.Master) != row.key+row.salt || k.MKI < 0 {
		return nil, ErrKeyLength
	}
	keys, err := deriveKeys(k.Master[:row.key], k.Master[row.key:])
	if err != nil {
		return nil, err
	}
	return row.build(keys, k.MKI)
}
