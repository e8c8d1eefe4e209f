//! Files that are signed with a bundle beside them.

use std::path::PathBuf;

use super::command::{run, sign_file, verify_file};
use super::recipes::Recipe;
use super::world::{World, other_signers};
use super::{AskedOfFile, Change, SignedFile, TwinOfFile};

impl World {
    /// Signs a file, and asks cosign for its opinion, also after each change.
    pub(super) fn make_file(&self, recipe: &Recipe) -> SignedFile {
        let name = recipe.name();
        let artifact = self.file("artifact", &name);
        let bundle = self.file("bundle.json", &name);
        let signed = run(sign_file(self, recipe, &artifact, &bundle));
        assert!(signed.accepted, "{name}: cosign can't sign\n{}\n{}", signed.command, signed.output);
        let asked = AskedOfFile { artifact, signer: self.signer(recipe.by) };
        let ask = |asked: &AskedOfFile| run(verify_file(self, recipe, &bundle, asked));
        let other: PathBuf = self.file("artifact", "another file");
        let twins = other_signers(&asked.signer)
            .into_iter()
            .map(|(change, signer)| (change, AskedOfFile { signer, ..asked.clone() }))
            .chain([(Change::OtherFile, AskedOfFile { artifact: other, ..asked.clone() })])
            .map(|(change, asked)| TwinOfFile { change, cosign: ask(&asked), asked })
            .collect();
        let (form, predicate, cosign) = (recipe.form, recipe.predicate, ask(&asked));
        SignedFile { name, form, predicate, bundle, asked, cosign, twins }
    }
}
