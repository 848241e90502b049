//! Tensors of requests as inputs: what fits, what does not, and in which words.

use super::*;

fn slot(name: &str, kind: Kind) -> Slot {
    Slot {
        name: name.to_owned(),
        kind,
    }
}

fn plain_slot(item: Item, lists: usize) -> Slot {
    let lists = Some(lists);
    slot("a", Kind::Plain { item, lists })
}

fn tensor_slot(shape: &[i64]) -> Slot {
    let dtype = Some(Dtype::Int16);
    let shape = Some(shape.to_vec());
    slot("a", Kind::Tensor { dtype, shape })
}

fn given(datatype: &str, shape: &[u64], data: Data) -> Vec<Given> {
    vec![Given {
        name: "a".to_owned(),
        datatype: datatype.to_owned(),
        shape: shape.to_vec(),
        data,
    }]
}

fn binary(bytes: &'static [u8]) -> Data {
    Data::Binary(Bytes::from_static(bytes))
}

#[track_caller]
fn refused(slot: Slot, given: Vec<Given>, why: &str) {
    let problem = build(&[slot], given).unwrap_err();
    assert!(problem.detail.contains(why), "{}", problem.detail);
    assert_eq!(problem.status, 400);
}

#[test]
fn numbers_of_arrays_stay_where_they_lie() {
    let bytes = Bytes::from(vec![1, 0, 2, 0]);
    let from = given("INT16", &[2], Data::Binary(bytes.clone()));
    let built = build(&[tensor_slot(&[-1])], from).unwrap();
    assert_eq!(
        built.for_schema(),
        r#"{"a":{"dtype":"int16","shape":[2],"data":[]}}"#
    );
    assert_eq!(
        built.for_record(&[])[..],
        *br#"{"a":{"dtype":"int16","shape":[2],"data":[1,2]}}"#
    );
    assert_eq!(
        built.for_record(&["a".to_owned()])[..],
        *br#"{"a":"[hidden]"}"#
    );
    let value = built.into_value();
    assert_eq!(
        value.json,
        r#"{"a":{"$attachment":0,"dtype":"int16","shape":[2]}}"#
    );
    assert_eq!(value.attachments[0].as_ptr(), bytes.as_ptr());
}

#[test]
fn of_large_ones_the_record_has_the_size() {
    let from = given("INT16", &[9000], Data::Binary(vec![0; 18_000].into()));
    let built = build(&[tensor_slot(&[-1])], from).unwrap();
    let record = String::from_utf8(built.for_record(&[]).to_vec()).unwrap();
    assert!(record.contains(r#""data":null"#), "{record}");
    let photo = given("BYTES", &[1], Data::Raw(vec![0; 5].into()));
    let built = build(&[plain_slot(Item::File, 0)], photo).unwrap();
    assert_eq!(
        built.for_record(&[])[..],
        *br#"{"a":"[5 bytes, not kept]"}"#
    );
}

#[test]
fn a_body_of_numbers_has_the_shape_that_is_left_open() {
    let raw = |bytes: usize| given("", &[], Data::Raw(vec![0; bytes].into()));
    let built = build(&[tensor_slot(&[-1, 3])], raw(12)).unwrap();
    assert!(
        built.for_schema().contains("[2,3]"),
        "{}",
        built.for_schema()
    );
    refused(tensor_slot(&[-1, 3]), raw(13), "with 13 bytes");
    refused(tensor_slot(&[-1, 0]), raw(4), "with 4 bytes");
    refused(tensor_slot(&[-1, -1]), raw(4), "with 4 bytes");
    refused(tensor_slot(&[2]), raw(6), "for the shape [2]");
}

#[test]
fn plain_values_are_values_and_lists() {
    let of = |slot, given| build(&[slot], given).unwrap().for_schema();
    let one = given("INT32", &[1], binary(&[5, 0, 0, 0]));
    assert_eq!(of(plain_slot(Item::Integer, 0), one), r#"{"a":5}"#);
    let nested = given("UINT8", &[2, 2], binary(&[1, 2, 3, 4]));
    let slot = plain_slot(Item::Number, 2);
    assert_eq!(of(slot, nested), r#"{"a":[[1,2],[3,4]]}"#);
    let text = given("BYTES", &[1], Data::Json(json!(["x"])));
    assert_eq!(of(plain_slot(Item::Text, 0), text), r#"{"a":"x"}"#);
}

#[test]
fn what_does_not_fit_is_named() {
    let two = || binary(&[1, 2]);
    refused(
        plain_slot(Item::Integer, 0),
        given("UINT8", &[2], two()),
        "shape [1], but it has [2]",
    );
    refused(
        plain_slot(Item::Integer, 0),
        given("BOOL", &[2], two()),
        "should be INT64, but it is BOOL",
    );
    refused(
        plain_slot(Item::Boolean, 1),
        given("BOOL", &[2], two()),
        "0 and 1",
    );
    refused(
        plain_slot(Item::Text, 1),
        given("BYTES", &[1], binary(&[9])),
        "do not add up",
    );
    refused(
        plain_slot(Item::Text, 1),
        given("BYTES", &[3], binary(&[0; 4])),
        "1 elements for the shape [3]",
    );
    refused(
        plain_slot(Item::Number, 1),
        given("FP16", &[1], binary(&[0, 0x7c])),
        "not finite",
    );
    refused(
        tensor_slot(&[-1]),
        given("INT16", &[3], two()),
        "1 numbers for the shape [3]",
    );
    refused(
        tensor_slot(&[-1]),
        given("INT16", &[u64::MAX, 2], two()),
        "[-1]",
    );
    refused(
        tensor_slot(&[-1]),
        given("COMPLEX", &[1], two()),
        "but it is COMPLEX",
    );
    let twice = [given("INT16", &[1], two()), given("INT16", &[1], two())].concat();
    refused(tensor_slot(&[-1]), twice, "given twice");
    refused(
        slot("a", Kind::Json),
        given("BYTES", &[1], Data::Json(json!(["{"]))),
        "not JSON",
    );
}
