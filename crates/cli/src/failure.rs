//! Failures as people and programs see them: a stable code, what is wrong, what to do, and an exit status.

use std::fmt;

use quorumkeep_dkg::config::ConfigError;
use quorumkeep_server::board::keys::KeyError;
use quorumkeep_server::client;
use quorumkeep_server::files::FileError;
use quorumkeep_server::network::{NetworkError, PinnedKeyDiffers};
use quorumkeep_server::problem;
use quorumkeep_server::sealed::SealError;
use quorumkeep_server::session::SessionError;
use quorumkeep_store::StoreError;
use quorumkeep_store::files::FilesError;

use crate::report::Report;

// The fuzz targets include this file from elsewhere.
#[path = "failure/custody.rs"]
mod custody;
#[path = "failure/ten.rs"]
mod ten;
#[path = "failure/ten_source.rs"]
mod ten_source;

/// The result of a command.
pub type Result<T> = core::result::Result<T, Failure>;

macro_rules! codes {
    ($($name:ident = $text:literal, $exit:literal, $meaning:literal, $help:literal;)*) => {
        /// What went wrong. The texts are stable: scripts depend on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $(#[doc = $meaning] $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable text.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The exit status of the process.
            pub const fn exit(self) -> u8 {
                match self { $(Self::$name => $exit,)* }
            }

            /// One sentence for the documentation.
            #[cfg(test)]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What to do, where the failure does not say it better.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

codes! {
    Failed = "failed", 1, "Something failed for a reason of its own.", "The message says what failed; --log debug says more.";
    Io = "io", 1, "The operating system refused a read or a write.", "Check the path, the permissions and the free space.";
    AddressInUse = "address_in_use", 1, "Another process listens on that port.", "Choose another port with --listen, or stop the other process.";
    Database = "database", 1, "A database cannot be used.", "Nothing was changed. Check the directory, the network and the operator; do not delete the file.";
    NotActive = "not_active", 1, "The key exists, but no version of it is active yet.", "Key generation runs at the next interval boundary once enough operators are online; see: quorumkeep status";
    MixedVersions = "mixed_versions", 1, "Partial signatures of different versions cannot be combined.", "A new version is becoming active; try again in a few seconds.";
    Recovery = "recovery", 1, "Partial signatures do not make the application's key.", "Compare the operators' versions with: quorumkeep status";
    NotValid = "not_valid", 1, "A check found something that is not valid.", "The answer names every item and its reason; docs/vss-check.md explains them.";

    Usage = "usage", 2, "The command line is wrong.", "See: quorumkeep help";
    PassphraseMissing = "passphrase_missing", 2, "A passphrase is needed, and there is no terminal to ask for it.", "Give --passphrase-file FILE, or set QUORUMKEEP_PASSPHRASE_FILE.";

    FileMissing = "file_missing", 3, "A file does not exist.", "Check the path.";
    BadFile = "bad_file", 3, "A file is not what it should be.", "Check that it is the right file, whole and unchanged.";
    UnknownField = "unknown_field", 3, "A configuration file has a field that this version does not know.", "Remove or correct the field; nothing is ignored silently.";
    OpenFile = "open_file", 3, "A secret file may be read by others.", "Run: chmod 600 FILE";
    WrongPassphrase = "wrong_passphrase", 3, "The passphrase does not open the file.", "Try again with the right passphrase; nothing was changed.";
    DuplicateOperator = "duplicate_operator", 3, "An operator, a key or a socket stands twice in a roster.", "Give each operator once; every operator has its own key and its own socket.";
    BadOperator = "bad_operator", 3, "An operator's public part is not valid.", "Ask the operator for its operator.json again.";
    Threshold = "threshold", 3, "The threshold is out of range.", "Choose 1 < t <= n; the default is two thirds of the operators, rounded up.";
    BadConfig = "bad_config", 3, "A configuration breaks a rule.", "Change what the message names.";
    BadKey = "bad_key", 3, "A key file does not hold the key that is expected.", "A key file is hexadecimal; 0x and one newline are tolerated.";
    BadRecipient = "bad_recipient", 3, "A recipient cannot be read.", "A recipient is one line: age1quorumkeep1... from quorumkeep recipient, or age1... from age-keygen.";
    BadAppId = "bad_app_id", 3, "An application id breaks a rule.", "1 to 128 printable ASCII characters without spaces.";
    ForeignNetwork = "foreign_network", 3, "Files of different networks were given.", "Use the network file and the draft of one network.";
    BadCiphertext = "bad_ciphertext", 3, "The ciphertext is truncated, altered or of another kind.", "Get the file again from its source; nothing was written.";
    DecryptFailed = "decrypt_failed", 3, "The key does not open the ciphertext.", "Check application id, epoch and key; an altered file fails in the same way. Nothing was written.";

    ShareWord = "share_word", 3, "A mnemonic has a word that is not in the list.", "Look at the word that the message names; it is never corrected silently.";
    ShareLength = "share_length", 3, "A mnemonic has a number of words that none has.", "20 words are 128 bits and 33 words 256 bits; look for a missing or doubled word.";
    ShareChecksum = "share_checksum", 3, "The checksum of a mnemonic is wrong.", "Compare every word with what is written down, first the one that the message names.";
    SharePadding = "share_padding", 3, "The padding of a mnemonic is not zero.", "Compare every word with what is written down.";
    ShareGroup = "share_group", 3, "A mnemonic needs more groups than there are.", "No correct program makes such a mnemonic.";
    ShareDigest = "share_digest", 3, "The mnemonics do not make a secret.", "At least one of those that are named is wrong; with one more of the set the wrong one is named.";
    MixedShares = "mixed_shares", 3, "The shares are not of one set.", "Give shares of one set and one generation only.";
    DuplicateShare = "duplicate_share", 3, "A share was given twice.", "Every share counts once; give another one.";
    TooFewShares = "too_few_shares", 3, "There are too few shares.", "The message says how many are needed, and of which group.";
    BadPlan = "bad_plan", 3, "A sharing of that kind is not possible.", "Choose 2 <= t <= n, or groups of one member; at most 16 groups of 16 members.";
    BadSecret = "bad_secret", 3, "The secret cannot be shared in that way.", "The message says which lengths are possible.";
    BadPassphrase = "bad_passphrase", 3, "A passphrase has characters that are not possible.", "SLIP-39 knows printable ASCII only, so that every device can enter it.";
    BadDeviceFile = "bad_device_file", 3, "A file does not hold what a device prints.", "docs/ten.md shows how to ask the device.";
    BadBackup = "bad_backup", 3, "A file is no backup of a TEN secret, or was changed.", "Take another copy of the backup, or another backup.";

    FileExists = "file_exists", 4, "A file exists and is not overwritten.", "Choose another path, or move the file away. Output files can be replaced with --force; keys cannot.";
    Refused = "refused", 4, "The rules of the network do not allow it.", "The message names the rule.";
    TooFewSignatures = "too_few_signatures", 4, "Fewer operators signed than are needed.", "Let more operators run: quorumkeep network sign";
    NotASigner = "not_a_signer", 4, "This operator has no say in this draft.", "Only operators of the configuration in force sign its successor.";
    UnknownApp = "unknown_app", 4, "The application is not registered.", "Check the id, or register it with: quorumkeep app register";
    UnknownKey = "unknown_key", 4, "The network has no key of that name.", "See: quorumkeep network show";
    OwnerKeyNeeded = "owner_key_needed", 4, "The application is released to its owner only.", "Give --owner-key FILE.";
    AttestedOnly = "attested_only", 4, "The application is released to attested code only.", "This build cannot present evidence yet.";
    OtherEpoch = "other_epoch", 4, "The ciphertext is of another epoch of the application.", "Keys of earlier epochs are never released again.";
    NoFinding = "no_finding", 4, "The board shows no such finding.", "See: quorumkeep evidence list";
    WorkLimit = "work_limit", 4, "More work is asked for than is allowed.", "If you made the shares yourself with so much work, raise --iteration-exponent-max.";
    UnknownEntry = "unknown_entry", 4, "The audit log has no such entry.", "Entries are counted from 0; see: quorumkeep audit show";
    AuditOther = "audit_other", 4, "The folder holds another log, or other files.", "Choose another folder; nothing was written.";
    AuditProof = "audit_proof", 4, "A proof does not show that the entry is in the log.", "Believe nothing that the file says; the message names the reason.";
    NotShown = "not_shown", 4, "A file of evidence does not show what it claims.", "Believe nothing that the file says; the message names the reason.";

    RequestForeign = "request_foreign", 4, "The request is for another custody.", "Use the directory or address of the custody that the key belongs to.";
    RequesterUnknown = "requester_unknown", 4, "Nobody of that name may ask this here.", "See: quorumkeep custody people, quorumkeep guardian list";
    RequestSignature = "request_signature", 4, "The request is not signed with the registered key.", "Use the key file whose card was registered.";
    RequestTime = "request_time", 4, "The request is too early, too late, or valid for too long.", "Compare the clocks of the machines.";
    RequestConflict = "request_conflict", 4, "Another request had the same number.", "Ask again; a new request gets a new number.";
    RoleMissing = "role_missing", 4, "The person does not have the role for this.", "See: quorumkeep custody people";
    SelfApproval = "self_approval", 4, "Whoever asks cannot approve.", "Somebody else has to approve.";
    ApprovedAlready = "approved_already", 4, "The person has approved this already.", "Every person counts once; another one has to approve.";
    NotWaiting = "not_waiting", 4, "No request of this hash waits for approval.", "See: quorumkeep custody waiting";
    ContentDiffers = "content_differs", 4, "What a custody shows of a request is not what its hash says.", "Approve nothing. Ask whoever is said to have asked, and whoever runs the custody.";
    Overtaken = "overtaken", 4, "Another change of the people was carried out in between.", "Look at quorumkeep custody people, and ask again.";
    ProcessKeyUsed = "process_key_used", 4, "The key of the process belongs to another session.", "Every session has a key of its own: quorumkeep backup recover key";
    PeopleInvalid = "people_invalid", 4, "The people cannot be changed in this way.", "The message names the rule; there must always be enough people to ask and to approve.";
    GuardianKeys = "guardian_keys", 4, "A key of a guardian is not valid.", "Ask the guardian for the card again.";
    GuardianExists = "guardian_exists", 4, "A guardian of that name, or with such a key, is registered.", "Every guardian has a name and keys of his own.";
    GuardianUnknown = "guardian_unknown", 4, "The guardian is not registered.", "See: quorumkeep guardian list; register with: quorumkeep guardian add";
    GuardianRemoved = "guardian_removed", 4, "The guardian was removed.", "He gets nothing more. Make a new generation of the sets that name him: quorumkeep backup status";
    KeyRetired = "key_retired", 4, "A key belonged to somebody who left.", "It is never registered again. Make new keys: quorumkeep guardian new, quorumkeep person new";
    GuardianUnapproved = "guardian_unapproved", 4, "The people of now do not stand behind the keys of a guardian.", "Seal nothing to him. Compare his card with quorumkeep guardian list; to approve the same card again: quorumkeep guardian add";
    GuardianDiffers = "guardian_differs", 4, "The manifest has other keys for a guardian than the register.", "Make the set again with the registered guardians.";
    PlacementRefused = "placement_refused", 4, "The placement does not survive what it claims, or lets somebody recover alone without saying so.", "Say what is meant with --side-alone or --entity-alone, or change the plan. See: quorumkeep backup plan";
    ManifestInvalid = "manifest_invalid", 4, "The manifest is damaged, not signed, or breaks a rule.", "Get the manifest again from the custody.";
    GenerationWrong = "generation_wrong", 4, "The set has another generation than the next one.", "Somebody made a set at the same time; make yours again.";
    EnvelopeMismatch = "envelope_mismatch", 4, "A sealed share is not the one of the manifest.", "Fetch it again with: quorumkeep backup deliver";
    SetUnknown = "set_unknown", 4, "There is no such backup set.", "See: quorumkeep backup status";
    ShareNotYours = "share_not_yours", 4, "The share is held by somebody else.", "See: quorumkeep backup status --set SET";
    PublicKeyDiffers = "public_key_differs", 4, "The public key is not the registered one.", "Shares are sealed to registered keys only.";
    ReceiptInvalid = "receipt_invalid", 4, "The receipt is not signed by the guardian over what was delivered.", "Confirm with the guardian's own key: quorumkeep backup confirm";
    AttemptsExhausted = "attempts_exhausted", 4, "The share was sent too often.", "Find out why, then: quorumkeep backup retry";
    DeliveryState = "delivery_state", 4, "The delivery is not in a state for this.", "See: quorumkeep backup status";
    ManifestDiffers = "manifest_differs", 4, "Two manifests that should be the same differ.", "Do not sign. Compare the manifest hashes with the other guardians.";
    SessionUnknown = "session_unknown", 4, "There is no such recovery session.", "Compare the number; a session begins with its last approval: quorumkeep custody waiting";
    SessionMissing = "session_missing", 4, "No approved recovery session is open for the secret.", "Open one with: quorumkeep backup recover open";
    SessionOpen = "session_open", 4, "A recovery session is open for the secret already.", "Finish it or end it: quorumkeep backup recover abort";
    SessionState = "session_state", 4, "The recovery session is not in a state for this.", "Open and recognised sessions wait for shares and for the second approval: quorumkeep backup recover status";
    FindingsDiffer = "findings_differ", 4, "The process has found something else than what is to be approved.", "Look at quorumkeep backup recover status, and ask again: quorumkeep backup recover commit";
    OutputDiffers = "output_differs", 4, "The sealed output is not the one that was approved.", "Nothing was handed over. End the session, and find out who changed the folder of the process.";
    SessionRefused = "session_refused", 4, "The session is not approved as it must be.", "Give no share. Ask the people who are said to have approved.";
    ShareSubmitted = "share_submitted", 4, "The share was submitted already.", "It counts once; another guardian has to submit.";
    ShareBad = "share_bad", 3, "The share is not the one that the manifest commits to.", "The message says what is wrong with it; fetch it again or ask another guardian.";
    ZeroSecret = "zero_secret", 4, "The secret is all zeros.", "It was made from a node that had lost its secret. Take an earlier backup, or one of another node.";
    BackupUntrusted = "backup_untrusted", 4, "The backup is not signed by anybody who is trusted.", "Give the key of its signer with --signer, if you know it from elsewhere.";
    OtherInstance = "other_instance", 4, "The backup or the key is of another network or gateway.", "Look for the one of this instance; nothing was opened.";
    RestoreUnsafe = "restore_unsafe", 4, "A restart would not run on the restored secret.", "The message names what is in the way; nothing was opened.";
    TextInvalid = "text_invalid", 3, "A text, key or number is empty, too long or not valid.", "The message says which.";
    NotRecognised = "not_recognised", 1, "What was recovered is not the right secret.", "Nothing was written. Compare manifest and shares with the guardians.";

    GroupKeyChanged = "group_key_changed", 5, "ALARM: the network shows another group key than the pinned one.", "Do not encrypt or decrypt. A group key never changes: ask the operators through another channel what happened.";
    RpcKeyDiffers = "rpc_key_differs", 5, "ALARM: the secret is not that of the network.", "Nothing was written. Somebody may have served a secret of his own when the backup was made; take an earlier one.";
    AuditDamaged = "audit_damaged", 5, "ALARM: an audit log is not what was signed.", "Keep the files for inspection. Compare with an exported copy, and with checkpoints that others keep.";
    AuditForked = "audit_forked", 5, "ALARM: an audit log does not continue an earlier checkpoint of it.", "It was shortened, replaced by an old copy, or there are two. Keep both checkpoints: together they prove it.";
    ForeignBoard = "foreign_board", 5, "ALARM: another server answers at the board's address.", "Do not go on. Ask the operators for the board's address and key through another channel.";

    CheckFailed = "check_failed", 4, "Something of a TEN network is not as its backups need it.", "The answer names every finding; docs/ten.md explains them.";
    NodeWithoutSecret = "node_without_secret", 4, "The node has no network secret.", "Ask a node that has joined the network, or wait until this one has.";
    NodeRefused = "node_refused", 4, "The node refuses.", "The message is the node's own.";
    MethodUnknown = "method_unknown", 4, "The node does not know backups.", "Check the URL and its port; nodes before December 2025 have no ten_backupSharedSecret.";
    GatewayWithoutKey = "gateway_without_key", 4, "The gateway has no key to back up.", "With -dbType=sqlite there is none.";
    GatewayEncryptFailed = "gateway_encrypt_failed", 4, "The gateway could not encrypt its key.", "The message is the gateway's own.";
    GatewayRefused = "gateway_refused", 4, "The gateway answers with something else than a backup.", "The message is the gateway's own, under status 200.";
    ContractRefused = "contract_refused", 4, "The RPC of L1, or the contract there, refuses.", "The message is its own; check --l1-rpc and --registry.";
    BackupKeyMissing = "backup_key_missing", 4, "No backup key is configured there.", "Set ENCLAVE_BACKUPENCRYPTIONKEY of a node, -backupEncryptionKey of a gateway: quorumkeep ten keygen";
    BackupKeyFormat = "backup_key_format", 4, "The backup key that is configured there is not hexadecimal, or begins with 0x.", "A node wants 66 hexadecimal digits and nothing in front of them.";
    BackupKeyInvalid = "backup_key_invalid", 4, "The backup key that is configured there is no compressed point.", "Configure what quorumkeep ten keygen printed.";
    SourceRedirects = "source_redirects", 4, "A node or gateway sends elsewhere.", "Redirects are not followed. Give the right URL, if you know that it is right.";
    TlsCertificate = "tls_certificate", 4, "A certificate is refused.", "Give the roots that signed it with --roots, and the name that is in it.";
    TlsFailed = "tls_failed", 4, "No TLS 1.3 with the server.", "Check the port; http:// and ws:// are without TLS.";
    TlsNoRoots = "tls_no_roots", 3, "There are no root certificates.", "Give them with --roots FILE.";
    AnswerTooLarge = "answer_too_large", 4, "An answer is larger than it may be.", "What answers there is no node or gateway of TEN.";
    AnswerMalformed = "answer_malformed", 4, "An answer is not that of a node or gateway of TEN.", "Check the URL; the message has the beginning of the answer.";
    CheckAlarm = "check_alarm", 5, "ALARM: something of a TEN network shows that somebody lies, or that its secret is open.", "The answer names every finding; docs/ten.md explains them.";
    NetworkSplit = "network_split", 5, "ALARM: nodes of one TEN network run on different secrets.", "Nothing was kept. Find out which of them is the network.";
    SourceUnreachable = "source_unreachable", 6, "A node or gateway is unreachable.", "Check the URL and that it runs.";
    SourceTimeout = "source_timeout", 6, "A node or gateway took too long.", "Try again, or give it more time with --timeout.";
    SourceBroken = "source_broken", 6, "The connection to a node or gateway broke.", "Try again; check that it speaks HTTP on that port.";
    SourceStatus = "source_status", 6, "A node or gateway answered with an HTTP status that is not 200.", "The message has its text.";
    SourceWebsocket = "source_websocket", 6, "A node speaks no WebSocket there.", "Nodes have another port for WebSockets (81) than for HTTP (80).";

    Unreachable = "unreachable", 6, "Too few servers answer.", "Check the addresses and that the servers run: quorumkeep status";
    TooFewPartials = "too_few_partials", 6, "Fewer nodes than the threshold gave a good partial signature.", "The message names what each node answered; try again when more of them are online.";
    TimedOut = "timed_out", 6, "It did not happen in time.", "Look at quorumkeep status; the request may still take effect.";
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The stable code.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
    /// What the command found nonetheless.
    pub report: Option<Box<Report>>,
}

impl Failure {
    /// A failure with the code's own help.
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string(), help: code.help().to_owned(), report: None }
    }

    /// A wrong command line.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Code::Usage, message)
    }

    /// The same with better advice.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// The same, after an answer that is printed all the same.
    pub fn with_report(mut self, report: Report) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// The same, with what it is about in front.
    pub fn about(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let code = match &error {
            FileError::Exists { .. } => Code::FileExists,
            FileError::Missing { .. } => Code::FileMissing,
            FileError::Open { .. } => Code::OpenFile,
            FileError::TooLarge { .. } => Code::BadFile,
            FileError::Io { .. } => Code::Io,
        };
        Self::new(code, display(&error))
    }
}

impl From<FilesError> for Failure {
    fn from(error: FilesError) -> Self {
        let code = match &error {
            FilesError::Exists(_) => Code::FileExists,
            FilesError::TooLarge { .. } => Code::BadFile,
            FilesError::OpenDirectory(_) => Code::OpenFile,
            FilesError::Io { .. } if error.is_missing() => Code::FileMissing,
            FilesError::Io { .. } => Code::Io,
        };
        Self::new(code, display(&error))
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        match error {
            SealError::File(error) => error.into(),
            SealError::WrongPassphrase => Self::new(Code::WrongPassphrase, error),
            SealError::Seal(_) => Self::new(Code::Failed, error),
            _ => Self::new(Code::BadFile, error),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::File(error) => error.into(),
            KeyError::Seal { path, source } => Self::from(*source).about(path.display()),
            KeyError::PassphraseNeeded { .. } => Self::new(Code::PassphraseMissing, display(&error)),
            KeyError::Malformed { .. } => Self::new(Code::BadKey, display(&error)),
        }
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Read(error) => error.into(),
            NetworkError::Write(error) => error.into(),
            NetworkError::Json { path, source } => json_error(&path.display().to_string(), &source),
            NetworkError::Config { ref source, .. } => {
                let code = Self::from(source.clone()).code;
                Self::new(code, display(&error))
            }
            NetworkError::Field { .. } => Self::new(Code::BadFile, display(&error)),
        }
    }
}

/// JSON that is not what it should be; an unknown field is its own code.
pub fn json_error(path: &str, source: &serde_json::Error) -> Failure {
    let text = source.to_string();
    let code = if text.starts_with("unknown field") { Code::UnknownField } else { Code::BadFile };
    Failure::new(code, format!("{path}: {text}"))
}

impl From<PinnedKeyDiffers> for Failure {
    fn from(error: PinnedKeyDiffers) -> Self {
        Self::new(Code::GroupKeyChanged, error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let code = match &error {
            ConfigError::Decode(_) => Code::BadFile,
            ConfigError::Threshold { .. } => Code::Threshold,
            ConfigError::Duplicate { .. } => Code::DuplicateOperator,
            ConfigError::Member { .. } | ConfigError::IndexUsed { .. } => Code::BadOperator,
            ConfigError::ForeignNetwork | ConfigError::NotTheAnchor => Code::ForeignNetwork,
            ConfigError::Signatures { .. } => Code::TooFewSignatures,
            ConfigError::TooFewStay { .. } | ConfigError::NotSuccessor { .. } => Code::Refused,
            _ => Code::BadConfig,
        };
        Self::new(code, error)
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        let code = match &error {
            client::Error::Status { problem, .. } => problem_code(problem.code),
            client::Error::Unreachable { .. } | client::Error::Timeout { .. } | client::Error::Broken { .. } => {
                Code::Unreachable
            }
            _ => Code::Failed,
        };
        Self::new(code, display(&error))
    }
}

fn problem_code(code: problem::Code) -> Code {
    match code {
        problem::Code::NotReady | problem::Code::Busy | problem::Code::RateLimited => Code::Unreachable,
        problem::Code::ForeignNetwork => Code::ForeignNetwork,
        problem::Code::Internal | problem::Code::Unknown => Code::Failed,
        _ => Code::Refused,
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        use SessionError as E;
        let code = match &error {
            E::Board(inner) => match inner {
                client::Error::Status { problem, .. } => problem_code(problem.code),
                client::Error::Tls { .. } | client::Error::Malformed { .. } => Code::Failed,
                _ => Code::Unreachable,
            },
            E::ForeignBoard(_) => Code::ForeignBoard,
            E::GroupKeyChanged { .. } => Code::GroupKeyChanged,
            E::NoAgreement { .. } | E::AppUnclear { .. } | E::NotTaken { .. } | E::TooFewNodes { .. } => {
                Code::Unreachable
            }
            E::NotGenerated { .. } => Code::NotActive,
            E::UnknownApp { .. } => Code::UnknownApp,
            E::OtherEpoch { .. } => Code::OtherEpoch,
            E::OtherFormat { .. } | E::Refused(_) => Code::Refused,
            E::OwnerKeyNeeded { .. } => Code::OwnerKeyNeeded,
            E::AttestedOnly { .. } => Code::AttestedOnly,
            E::TooFewPartials { .. } => Code::TooFewPartials,
            E::MixedVersions { .. } => Code::MixedVersions,
            E::Recover(_) => Code::Recovery,
            E::TimedOut { .. } => Code::TimedOut,
            E::BoardNeeded { .. } => Code::Unreachable,
            E::OrdererKey => Code::BadFile,
            E::Tls(_) | E::TooManyConfigs { .. } | E::StaleGovernance { .. } | E::Internal(_) => Code::Failed,
        };
        Self::new(code, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Code::Database, display(&error))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::Io, error)
    }
}

/// The message with those below it that it does not contain itself.
pub fn display(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let below = source.to_string();
        if !text.contains(&below) {
            text = format!("{text}: {below}");
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../../docs/exit-codes.md");

    #[test]
    fn every_code_is_in_the_documentation_and_no_other() {
        for code in Code::ALL {
            let row = format!("| `{}` | {} | {} |", code.text(), code.exit(), code.meaning());
            assert!(DOCS.contains(&row), "docs/exit-codes.md lacks the row\n{row}");
        }
        let rows = DOCS.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, Code::ALL.len(), "docs/exit-codes.md has a row too many");
    }

    #[test]
    fn codes_are_distinct_and_help() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.text()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((1..=6).contains(&code.exit()), "{code:?}");
            assert!(!code.help().is_empty(), "{code:?}");
        }
    }
}
