package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
)

// tagRTCP is the length of the SRTCP tag of every HMAC-SHA1 suite, in bytes (RFC 3711 section 5.2).
const tagRTCP = 10

// batchBlocks is how many counter blocks are encrypted in one go: a 160-byte payload takes ten.
const batchBlocks = 16

// aesCM is AES in counter mode with HMAC-SHA1 (RFC 3711 section 4.1.1 and 4.2.1, RFC 6188).
type aesCM struct {
	rtp      cmKeys
	tag, mki int // bytes of the SRTP tag, and of the master key identifier before it when opening
	work     *Scratch
	rtcp     cmKeys
}

// cmKeys are the keys for one packet kind, ready to use.
type cmKeys struct {
	block     cipher.Block
	auth      macKey
	high, low uint64 // the salt, times 2^16, as two halves of a block
}

// newAESCM returns the builder for suites with SRTP tags of the given length in bytes.
func newAESCM(tag int) builder {
	return func(b *box, k sessionKeys, mki int, work *Scratch) (err error) {
		c := &b.cm
		c.tag, c.mki, c.work = tag, mki, work
		if work.mac.hash == nil {
			if work.mac, err = newMAC(); err != nil {
				return err
			}
		}
		if err = c.rtp.set(k.rtp, &work.mac); err != nil {
			return err
		}
		b.transform = c
		return c.rtcp.set(k.rtcp, &work.mac)
	}
}

func (c *cmKeys) set(k packetKeys, m *mac) (err error) {
	var salt [aes.BlockSize]byte
	copy(salt[:], k.salt)
	c.high, c.low = binary.BigEndian.Uint64(salt[:8]), binary.BigEndian.Uint64(salt[8:])
	c.auth = m.prepare(k.auth)
	c.block, err = aes.NewCipher(k.key)
	return err
}

func (c *aesCM) overhead() (rtp, rtcp int) { return c.tag + c.mki, rtcpIndexBytes + c.mki + tagRTCP }

func (c *aesCM) sealRTP(packet []byte, head int, ssrc uint32, index uint64) int {
	n := len(packet)
	c.crypt(&c.rtp, packet[head:], ssrc, index)
	packet = packet[:n+c.tag]
	copy(packet[n:], c.authenticate(&c.rtp, packet, n, uint32(index>>16))[:c.tag])
	return len(packet)
}

func (c *aesCM) openRTP(packet []byte, head int, ssrc uint32, index uint64) bool {
	end := len(packet) - c.tag - c.mki
	var got [sha1.Size]byte
	copy(got[:], packet[len(packet)-c.tag:])
	behind := [4]byte(packet[end:])
	want := c.authenticate(&c.rtp, packet, end, uint32(index>>16))
	copy(packet[end:], behind[:])
	if subtle.ConstantTimeCompare(got[:c.tag], want[:c.tag]) != 1 {
		return false
	}
	c.crypt(&c.rtp, packet[head:end], ssrc, index)
	return true
}

func (c *aesCM) sealRTCP(packet []byte, ssrc, index uint32) int {
	n := len(packet)
	c.crypt(&c.rtcp, packet[minRTCPHeader:], ssrc, uint64(index))
	packet = packet[:n+rtcpIndexBytes+tagRTCP]
	copy(packet[n+rtcpIndexBytes:], c.authenticate(&c.rtcp, packet, n, index|encryptedFlag)[:tagRTCP])
	return len(packet)
}

func (c *aesCM) openRTCP(packet []byte, ssrc, index uint32) bool {
	end := len(packet) - rtcpIndexBytes - c.mki - tagRTCP
	want := c.authenticate(&c.rtcp, packet, end, index|encryptedFlag)
	if subtle.ConstantTimeCompare(packet[len(packet)-tagRTCP:], want[:tagRTCP]) != 1 {
		return false
	}
	c.crypt(&c.rtcp, packet[minRTCPHeader:end], ssrc, uint64(index))
	return true
}

func (c *aesCM) indexRTCP(packet []byte) uint32 {
	return binary.BigEndian.Uint32(packet[len(packet)-rtcpIndexBytes-c.mki-tagRTCP:])
}

// authenticate returns HMAC-SHA1 over packet[:end] and the 32-bit word, which it writes behind end so that it is one
// message: the rollover counter of SRTP (RFC 3711 section 4.2: M = authenticated portion || ROC) overwrites four bytes
// there, the index of SRTCP stays there.
func (c *aesCM) authenticate(k *cmKeys, packet []byte, end int, word uint32) []byte {
	binary.BigEndian.PutUint32(packet[end:], word)
	return c.work.mac.sum(&k.auth, packet[:end+4])
}

// crypt adds the key stream of RFC 3711 section 4.1.1 to data:
// IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16), and the low 16 bits count blocks.
func (c *aesCM) crypt(k *cmKeys, data []byte, ssrc uint32, index uint64) {
	high, low, keystream := k.high^uint64(ssrc), k.low^index<<16, &c.work.keystream
	for block := uint64(0); len(data) > 0; {
		n := min(len(data), len(keystream))
		stream := keystream[:(n+aes.BlockSize-1)&^(aes.BlockSize-1)]
		// All counters are written before the first Encrypt: loads then never wait for stores.
		for i := 0; i < len(stream); i += aes.BlockSize {
			binary.BigEndian.PutUint64(stream[i:], high)
			binary.BigEndian.PutUint64(stream[i+8:], low|block)
			block++
		}
		for i := 0; i < len(stream); i += aes.BlockSize {
			k.block.Encrypt(stream[i:], stream[i:])
		}
		subtle.XORBytes(data, data, stream[:n])
		data = data[n:]
	}
}
