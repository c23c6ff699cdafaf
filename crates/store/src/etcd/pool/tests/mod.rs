//! The way to a real etcd, with everything that can go wrong on it.

mod tls;

use super::*;
use etcd_client::GetOptions;
use tanist_testkit::Etcd;

/// A pool for these endpoints.
pub(in crate::etcd) fn pool(endpoints: Vec<String>) -> Pool {
    Pool::new(&EtcdOptions::new(endpoints, "test")).unwrap()
}

/// A small read of nothing.
async fn look(pool: &Pool, call: Call) -> Result<i64, Fault> {
    let (start, end) = pool.keys().everything();
    let answer = pool.read(call, |mut client| {
        let (start, options) = (start.clone(), GetOptions::new().with_range(end.clone()).with_count_only());
        async move { client.get(start, Some(options)).await }
    });
    answer.await.map(|found| found.count())
}
