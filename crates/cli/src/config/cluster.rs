//! Where the cluster is: for workers, and for the commands that ask it.

use tanist_client::MasterList;

use super::section::section;

section! {
    /// Where the cluster is.
    struct ClusterSettings in "", conflicts: |_| Vec::new();

    /// The masters of the cluster, as host:port. All of them: any may lead.
    masters: Option<MasterList> = None;
}
