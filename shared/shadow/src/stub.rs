//! The configuration files of a shadow, by tracking mode. They stand at the top of every tree of the shadow.

use nogfso_ids::SubdirTracking;

/// Names that at the top of a tree are configuration of the shadow, never files of the real directory.
pub(crate) const CONFIG_NAMES: [&[u8]; 3] = [b".gitattributes", b".gitignore", b".nogbundles"];

/// The files of the stub branch for `tracking`: name and content, in the order of a git tree.
#[must_use]
pub fn stub_files(tracking: SubdirTracking) -> &'static [(&'static str, &'static str)] {
    match tracking {
        SubdirTracking::EnterSubdirs => &[(".gitignore", "")],
        SubdirTracking::IgnoreSubdirs => &[(".gitignore", "/*/\n")],
        SubdirTracking::BundleSubdirs => &[
            (".gitattributes", "/*/ nogbundle\n"),
            (".gitignore", "/*/\n"),
            (".nogbundles", "/*/\n"),
        ],
        SubdirTracking::IgnoreMost => &[(
            ".gitignore",
            "*\n!.gitignore\n!.gitattributes\n!.nogbundles\n!README.md\n!README.txt\n",
        )],
    }
}

/// Whether shadows in this mode can be made and recorded so far.
pub(crate) fn is_supported(tracking: SubdirTracking) -> bool {
    tracking == SubdirTracking::EnterSubdirs
}
