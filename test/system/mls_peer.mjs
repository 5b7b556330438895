// mls_peer.mjs - the same device as test/support/mls_peer.c, which see for the commands, made of the npm package ts-mls.
//
//     node mls_peer.mjs FOLDER      where FOLDER/node_modules holds ts-mls
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const mls = await import(pathToFileURL(join(process.argv[2], 'node_modules/ts-mls/dist/src/index.js')));
const hex = (bytes) => (bytes && bytes.length > 0 ? Buffer.from(bytes).toString('hex') : '-');
const bytes = (text) => new Uint8Array(Buffer.from(text, 'hex'));
const decode = (text) => {
  const decoded = mls.decodeMlsMessage(bytes(text), 0);
  if (decoded === undefined) throw new Error('does not decode');
  return decoded[0];
};
const encode = (wireformat, body) => mls.encodeMlsMessage({ version: 'mls10', wireformat, ...body });

let suite, own, state, pending;

// ts-mls 1.6.4 leaves two things of RFC 9420 to be done here: the key in the extension external_pub has a length in front of it (section 12.4.3.2), and the
// signature keys of P-256 are uncompressed points (section 5.1.1).
const headed = (key) => new Uint8Array(key.length > 63 ? [0x40, key.length, ...key] : [key.length, ...key]);
const bare = (key) => (key.length === 33 ? key.slice(1) : key.length === 67 ? key.slice(2) : key);
const withHeads = () => ({ ...suite, hpke: { ...suite.hpke,
  exportPublicKey: async (key) => headed(await suite.hpke.exportPublicKey(key)),
  importPublicKey: async (key) => suite.hpke.importPublicKey(bare(key)),
} });
const signatureKeys = async (number) => {
  if (number !== '2') return suite.signature.keygen();
  const { p256 } = await import(pathToFileURL(join(process.argv[2], 'node_modules/@noble/curves/nist.js')));
  const signKey = p256.utils.randomSecretKey();
  return { signKey, publicKey: p256.getPublicKey(signKey, false) };
};

const device = {
  async new(number, name) {
    const names = { 1: 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519', 2: 'MLS_128_DHKEMP256_AES128GCM_SHA256_P256' };
    suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(names[number]), mls.nobleCryptoProvider);
    const now = BigInt(Math.floor(Date.now() / 1000));
    const lifetime = { notBefore: now - 3600n, notAfter: now + 2592000n };
    const credential = { credentialType: 'basic', identity: new TextEncoder().encode(name) };
    own = await mls.generateKeyPackageWithKey(credential, mls.defaultCapabilities(), lifetime, [], await signatureKeys(number), suite);
    return hex(encode('mls_key_package', { keyPackage: own.publicPackage }));
  },
  async create(id) {
    state = await mls.createGroup(bytes(id), own.publicPackage, own.privatePackage, [], suite);
    return '-';
  },
  proposals(words) {
    const list = [];
    for (let i = 0; i < words.length; i++) {
      if (words[i] === 'add') list.push({ proposalType: 'add', add: { keyPackage: decode(words[++i]).keyPackage } });
      if (words[i] === 'remove') list.push({ proposalType: 'remove', remove: { removed: Number(words[++i]) } });
    }
    return list;
  },
  async commit(...words) {
    const result = await mls.createCommit({ state, cipherSuite: suite }, {
      wireAsPublicMessage: words.includes('public'), extraProposals: device.proposals(words), ratchetTreeExtension: true,
    });
    pending = { state: result.newState, welcome: result.welcome && encode('mls_welcome', { welcome: result.welcome }) };
    return hex(mls.encodeMlsMessage(result.commit));
  },
  async accept() {
    state = pending.state;
    return hex(pending.welcome);
  },
  async join(welcome) {
    state = await mls.joinGroup(decode(welcome).welcome, own.publicPackage, own.privatePackage, mls.emptyPskIndex, suite);
    return '-';
  },
  async info() {
    const groupInfo = await mls.createGroupInfoWithExternalPubAndRatchetTree(state, [], withHeads());
    return hex(encode('mls_group_info', { groupInfo }));
  },
  async external(info) {
    const { groupInfo } = decode(info), cs = withHeads();
    cs.hpke.exportPublicKey = suite.hpke.exportPublicKey; // those in the Commit are bare
    const result = await mls.joinGroupExternal(groupInfo, own.publicPackage, own.privatePackage, state !== undefined, cs);
    pending = { state: result.newState };
    return hex(encode('mls_public_message', { publicMessage: result.publicMessage }));
  },
  async propose(...words) {
    const result = await mls.createProposal(state, words.includes('public'), device.proposals(words)[0], suite);
    state = result.newState;
    return hex(mls.encodeMlsMessage(result.message));
  },
  async process(message) {
    let kind = 'commit';
    const result = await mls.processMessage(decode(message), state, mls.emptyPskIndex, (incoming) => {
      kind = incoming.kind === 'proposal' ? 'proposal' : 'commit';
      return 'accept';
    }, suite);
    state = result.newState;
    if (result.kind === 'applicationMessage') return 'application ' + hex(result.message);
    if (state.groupActiveState.kind === 'removedFromGroup') kind = 'removed';
    return kind + ' -';
  },
  async say(data) {
    const result = await mls.createApplicationMessage(state, bytes(data), suite);
    state = result.newState;
    return hex(encode('mls_private_message', { privateMessage: result.privateMessage }));
  },
  async state() {
    return state.groupContext.epoch + ' ' + hex(state.keySchedule.epochAuthenticator);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...words] = line.trim().split(' ');
  try {
    console.log('ok ' + await device[command](...words));
  } catch (error) {
    console.log('error ' + String(error && error.message).replaceAll('\n', ' '));
  }
}
