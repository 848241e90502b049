//! Classification: the best of an output's numbers as `value:index` or `value:index:label`, best first.
//! Does not know requests.

use super::output::{Data, Tensor};
use bytes::Bytes;
use onstage_core::tensor;
use serde_json::Value as Json;
use std::cmp::Ordering;

/// The `count` best along the last dimension. None when these are no numbers that have an order.
pub(super) fn best(output: &Tensor, count: usize) -> Option<Tensor> {
    let Data::Numbers(dtype, bytes) = &output.data else {
        return None;
    };
    let mut listed = Vec::new();
    tensor::write_json(*dtype, bytes, &mut listed).ok()?;
    let numbers: Vec<Json> = serde_json::from_slice(&listed).ok()?;
    let (last, before) = output.shape.split_last()?;
    let size = usize::try_from(*last).ok()?;
    let mut elements = Vec::new();
    for row in numbers.chunks(size.max(1)) {
        let mut order: Vec<(usize, f64)> = row
            .iter()
            .map(Json::as_f64)
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .enumerate()
            .collect();
        // Equal ones stay in their order.
        order.sort_by(|(_, a), (_, b)| b.partial_cmp(a).unwrap_or(Ordering::Equal));
        elements.extend(order.iter().take(count).map(|(place, _)| {
            let label = output.labels.as_ref().and_then(|labels| labels.get(*place));
            class(&row[*place], *place, label)
        }));
    }
    let mut shape = before.to_vec();
    shape.push(size.min(count) as u64);
    Some(Tensor {
        name: output.name.clone(),
        shape,
        data: Data::Elements(elements),
        labels: None,
    })
}

fn class(number: &Json, place: usize, label: Option<&Bytes>) -> Bytes {
    let mut text = format!("{number}:{place}").into_bytes();
    if let Some(label) = label {
        text.push(b':');
        text.extend_from_slice(label);
    }
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::tensor::Dtype;

    fn output(shape: &[u64], numbers: &[f32]) -> Tensor {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        Tensor {
            name: "y".to_owned(),
            shape: shape.to_vec(),
            data: Data::Numbers(Dtype::Float32, bytes.into()),
            labels: None,
        }
    }

    fn texts(tensor: &Tensor) -> Vec<String> {
        let Data::Elements(elements) = &tensor.data else {
            panic!()
        };
        elements
            .iter()
            .map(|element| String::from_utf8_lossy(element).into_owned())
            .collect()
    }

    #[test]
    fn the_best_come_first_row_by_row() {
        let made = best(&output(&[2, 3], &[0.1, 0.7, 0.2, 3.0, 1.0, 3.0]), 2).unwrap();
        assert_eq!(made.shape, [2, 2]);
        assert_eq!(texts(&made), ["0.7:1", "0.2:2", "3.0:0", "3.0:2"]);
        let mut labelled = output(&[2], &[0.5, 1.5]);
        labelled.labels = Some(vec!["cat".into(), "dog".into()]);
        let made = best(&labelled, 9).unwrap();
        assert_eq!(
            (texts(&made), made.shape),
            (
                vec!["1.5:1:dog".to_owned(), "0.5:0:cat".to_owned()],
                vec![2]
            )
        );
    }

    #[test]
    fn what_has_no_order_has_no_best() {
        assert!(best(&output(&[1], &[f32::NAN]), 1).is_none());
        assert!(best(&output(&[], &[1.0]), 1).is_none());
        let words = Tensor {
            data: Data::Elements(vec!["a".into()]),
            ..output(&[1], &[])
        };
        assert!(best(&words, 1).is_none());
        assert_eq!(best(&output(&[0], &[]), 1).unwrap().shape, [0]);
    }
}
